#include "capture/values.h"

namespace headrace::capture {
namespace {

// The type of the last iterator seen by a wait, and what is known of that type: saves failing attribute look-ups.
struct IteratorType {
    PyTypeObject* type;
    bool has_index;
};
IteratorType last_iterator{};
PyObject* name_rcvd_idx = nullptr;
PyObject* name_in_order = nullptr;
PyObject* name_input_ids = nullptr;
PyObject* name_numel = nullptr;
PyObject* name_is_cuda = nullptr;
PyObject* tensor_type = nullptr;
PyObject* function_modes = nullptr;

// An unsigned attribute, or `missing` when it is absent or no number. Clears the error.
std::uint64_t number_attribute(PyObject* object, PyObject* name, std::uint64_t missing) {
    PyObject* value = PyObject_GetAttr(object, name);
    if (value == nullptr) {
        PyErr_Clear();
        return missing;
    }
    const unsigned long long number = PyLong_Check(value) ? PyLong_AsUnsignedLongLongMask(value) : missing;
    Py_DECREF(value);
    if (PyErr_Occurred() != nullptr) {
        PyErr_Clear();
        return missing;
    }
    return number;
}

}  // namespace

bool make_value_names() {
    name_rcvd_idx = PyUnicode_InternFromString("_rcvd_idx");
    name_in_order = PyUnicode_InternFromString("_in_order");
    name_input_ids = PyUnicode_InternFromString("input_ids");
    name_numel = PyUnicode_InternFromString("numel");
    name_is_cuda = PyUnicode_InternFromString("is_cuda");
    return name_rcvd_idx != nullptr && name_in_order != nullptr && name_input_ids != nullptr && name_numel != nullptr &&
           name_is_cuda != nullptr;
}

void set_tensor_type(PyObject* type, PyObject* modes) {
    Py_INCREF(type);
    Py_INCREF(modes);
    tensor_type = type;
    function_modes = modes;
}

bool is_plain_tensor(PyObject* object) {
    if (tensor_type == nullptr || reinterpret_cast<PyObject*>(Py_TYPE(object)) != tensor_type) {
        return false;
    }
    PyObject* modes = PyObject_CallFunctionObjArgs(function_modes, nullptr);
    const bool none = modes != nullptr && PyLong_Check(modes) && PyLong_AsLong(modes) == 0;
    Py_XDECREF(modes);
    return none;
}

std::uint64_t batch_number(PyObject* iterator, std::uint64_t last_received) {
    if (iterator == nullptr) {  // given by its keyword
        return 0;
    }
    PyTypeObject* type = Py_TYPE(iterator);
    if (type != last_iterator.type) {
        last_iterator.type = type;
        last_iterator.has_index = PyObject_HasAttr(iterator, name_rcvd_idx) != 0;
    }
    if (!last_iterator.has_index) {
        return 0;
    }
    PyObject* in_order =
        PyObject_GetAttr(iterator, name_in_order);  // absent in older releases, where it is always true
    PyErr_Clear();
    const bool out_of_order = in_order == Py_False;
    Py_XDECREF(in_order);
    return out_of_order ? last_received : number_attribute(iterator, name_rcvd_idx, 0) & 0xffffffffU;
}

std::uint64_t token_count(PyObject* batch) {
    if (batch == nullptr || !PyDict_Check(batch)) {
        return 0;
    }
    PyObject* ids = PyDict_GetItemWithError(batch, name_input_ids);  // borrowed
    std::uint64_t number = 0;
    if (ids != nullptr && is_plain_tensor(ids)) {
        PyObject* count = PyObject_CallMethodObjArgs(ids, name_numel, nullptr);
        number = count != nullptr && PyLong_Check(count) ? PyLong_AsUnsignedLongLongMask(count) : 0;
        Py_XDECREF(count);
    }
    PyErr_Clear();
    return number & 0xffffffffU;
}

bool is_on_host(PyObject* object) {
    if (object == nullptr || !is_plain_tensor(object)) {
        return false;
    }
    PyObject* on_device = PyObject_GetAttr(object, name_is_cuda);
    PyErr_Clear();
    Py_XDECREF(on_device);  // of the two that there are one is left
    return on_device == Py_False;
}

std::uint64_t number_of_pair(PyObject* pair) {
    PyObject* index =
        pair != nullptr && PyTuple_Check(pair) && PyTuple_Size(pair) == 2 ? PyTuple_GetItem(pair, 0) : nullptr;
    return index != nullptr && PyLong_Check(index) ? PyLong_AsUnsignedLongLongMask(index) + 1 : 0;
}

bool is_end_of_samples(PyObject* data) {
    PyObject* name = PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(data)), "__name__");
    const bool end = name != nullptr && PyUnicode_Check(name) &&
                     PyUnicode_CompareWithASCIIString(name, "_IterableDatasetStopIteration") == 0;
    Py_XDECREF(name);
    PyErr_Clear();
    return end;
}

}  // namespace headrace::capture
