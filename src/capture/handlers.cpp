#include "capture/handlers.h"

namespace headrace::capture {
namespace {

// A new reference; null without an error where there is none.
PyObject* attribute(PyObject* object, const char* name) {
    PyObject* value = object != nullptr ? PyObject_GetAttrString(object, name) : nullptr;
    PyErr_Clear();
    return value;
}

bool is_or_holds(PyObject* value, PyObject* wanted) {
    if (value == wanted) {
        return true;
    }
    bool holds = false;  // of *args
    for (Py_ssize_t i = 0; PyTuple_Check(value) && i < PyTuple_Size(value); ++i) {
        holds = holds || PyTuple_GetItem(value, i) == wanted;
    }
    return holds;
}

bool has_local(PyObject* frame, PyObject* wanted) {
    PyObject* locals = attribute(frame, "f_locals");
    PyObject* values = locals != nullptr ? PyMapping_Values(locals) : nullptr;
    PyErr_Clear();
    bool found = false;
    for (Py_ssize_t i = 0; values != nullptr && i < PyList_Size(values); ++i) {
        found = found || is_or_holds(PyList_GetItem(values, i), wanted);
    }
    Py_XDECREF(values);
    Py_XDECREF(locals);
    return found;
}

}  // namespace

bool raised_by_handler(PyObject* traceback) {
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    bool found = false;
    PyObject* outer = attribute(traceback, "tb_frame");
    PyObject* at = attribute(traceback, "tb_next");
    while (outer != nullptr && at != nullptr && at != Py_None && !found) {
        PyObject* inner = attribute(at, "tb_frame");
        found = inner != nullptr && has_local(inner, outer);
        PyObject* next = attribute(at, "tb_next");
        Py_DECREF(at);
        Py_DECREF(outer);
        at = next;
        outer = inner;
    }
    Py_XDECREF(at);
    Py_XDECREF(outer);
    PyErr_Restore(type, value, trace);
    return found;
}

bool error_is_of_handler() {
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    const bool found = raised_by_handler(trace);
    PyErr_Restore(type, value, trace);
    return found;
}

}  // namespace headrace::capture
