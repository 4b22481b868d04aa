// The extension module _recorder: what the Python shim calls. One build on the stable ABI serves every Python
// from 3.10.
#include "capture/content.h"
#include "capture/costs.h"
#include "capture/handlers.h"
#include "capture/hook.h"
#include "capture/spool_writer.h"
#include "capture/stand_ins.h"
#include "capture/values.h"
#include "capture/xxh64.h"

namespace headrace::capture {
namespace {

using spool::Kind;

std::uint64_t loaded_at = 0;
bool teardown_seen = false;

PyObject* nothing() { Py_RETURN_NONE; }

// start(folder as bytes, hexversion, rank + 1, local rank + 1, method type) -> bool
PyObject* module_start(PyObject*, PyObject* args) {
    const char* folder = nullptr;
    unsigned int version = 0;
    int rank = 0, local_rank = 0;
    PyObject* method = nullptr;
    if (PyArg_ParseTuple(args, "yIiiO", &folder, &version, &rank, &local_rank, &method) == 0) {
        return nullptr;
    }
    set_method_type(method);
    return PyBool_FromLong(start(folder, version, rank, local_rank) ? 1 : 0);
}

// bind(method type): what start does for hooks, where nothing is recorded
PyObject* module_bind(PyObject*, PyObject* method) {
    set_method_type(method);
    return nothing();
}

// tensor_type(type, modes, strided layout): see set_tensor_type and set_strided_layout
PyObject* module_tensor_type(PyObject*, PyObject* args) {
    PyObject *type = nullptr, *modes = nullptr, *strided = nullptr;
    if (PyArg_ParseTuple(args, "OOO", &type, &modes, &strided) == 0) {
        return nullptr;
    }
    set_tensor_type(type, modes);
    set_strided_layout(strided);
    return nothing();
}

// content(sample) -> (hash, bytes), or None where it is not known: for the tests
PyObject* module_content(PyObject*, PyObject* sample) {
    const Content content = content_of(sample);
    if (PyErr_Occurred() != nullptr) {
        return nullptr;
    }
    return content.known ? Py_BuildValue("(KK)", static_cast<unsigned long long>(content.hash),
                                         static_cast<unsigned long long>(content.bytes))
                         : nothing();
}

// xxh64(data, seed) -> int: for the tests
PyObject* module_xxh64(PyObject*, PyObject* args) {
    const char* data = nullptr;
    Py_ssize_t length = 0;
    unsigned long long seed = 0;
    if (PyArg_ParseTuple(args, "y#K", &data, &length, &seed) == 0) {
        return nullptr;
    }
    return PyLong_FromUnsignedLongLong(xxh64(data, static_cast<std::size_t>(length), seed));
}

// is_looked_at(index, halved) -> bool: for the tests
PyObject* module_is_looked_at(PyObject*, PyObject* args) {
    unsigned long long index = 0;
    unsigned halved = 0;
    if (PyArg_ParseTuple(args, "KI", &index, &halved) == 0) {
        return nullptr;
    }
    return PyBool_FromLong(is_looked_at(index, halved) ? 1 : 0);
}

// ready(program): the shim is done; program is a JSON text. Opens the spool of this thread.
PyObject* module_ready(PyObject*, PyObject* args) {
    const char* program = nullptr;
    Py_ssize_t length = 0;
    if (PyArg_ParseTuple(args, "s#", &program, &length) == 0) {
        return nullptr;
    }
    Thread* t = thread();
    if (t != nullptr) {
        append(t, Kind::interpreter, loaded_at, 0, now() - loaded_at, 0);
        append_text(t, spool::TextKind::program, program, static_cast<std::uint64_t>(length));
    }
    return nothing();
}

PyObject* module_now(PyObject*, PyObject*) { return PyLong_FromUnsignedLongLong(now()); }

PyObject* module_recording(PyObject*, PyObject*) { return PyBool_FromLong(recording() ? 1 : 0); }

// importing() -> bool: an import is running on this thread, so that another one is not an outermost one
PyObject* module_importing(PyObject*, PyObject*) {
    const Thread* t = thread_if_open();
    return PyBool_FromLong(t != nullptr && inside(t, Kind::import) ? 1 : 0);
}

// moment(kind, a, b)
PyObject* module_moment(PyObject*, PyObject* args) {
    int kind = 0;
    unsigned long long a = 0, b = 0;
    if (PyArg_ParseTuple(args, "iKK", &kind, &a, &b) == 0) {
        return nullptr;
    }
    Thread* t = recording() ? thread() : nullptr;
    if (t != nullptr) {
        if (static_cast<Kind>(kind) == Kind::worker_begin) {
            t->is_worker = true;
        }
        append(t, static_cast<Kind>(kind), now(), 0, a, b);
    }
    return nothing();
}

// text(kind, text)
PyObject* module_text(PyObject*, PyObject* args) {
    int kind = 0;
    const char* text = nullptr;
    Py_ssize_t length = 0;
    if (PyArg_ParseTuple(args, "is#", &kind, &text, &length) == 0) {
        return nullptr;
    }
    Thread* t = recording() ? thread() : nullptr;
    if (t != nullptr) {
        append_text(t, static_cast<spool::TextKind>(kind), text, static_cast<std::uint64_t>(length));
    }
    return nothing();
}

// disabled(where): the error that is being handled switched something off
PyObject* module_disabled(PyObject*, PyObject* args) {
    const char* where = nullptr;
    PyObject* error = nullptr;
    if (PyArg_ParseTuple(args, "sO", &where, &error) == 0) {
        return nullptr;
    }
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error)), error);
    report_disabled(where);
    return nothing();
}

// of_handler(error) -> bool: a handler of a signal raised it
PyObject* module_of_handler(PyObject*, PyObject* error) {
    PyObject* traceback = PyException_GetTraceback(error);
    const bool found = raised_by_handler(traceback);
    Py_XDECREF(traceback);
    return PyBool_FromLong(found ? 1 : 0);
}

// Post-import: runs `exec_module` of a loader, times it when it is an outermost import, and tells `after(module)`.
struct ImportCall {
    PyObject* exec_module;
    PyObject* after;  // or None
    PyObject* name;   // of the module
    PyObject* loader;
    unsigned long long begin;
    bool outermost;
};

constexpr const char* import_capsule = "headrace.import";

void free_import(PyObject* capsule) {
    auto* call = static_cast<ImportCall*>(PyCapsule_GetPointer(capsule, import_capsule));
    Py_XDECREF(call->exec_module);
    Py_XDECREF(call->after);
    Py_XDECREF(call->name);
    Py_XDECREF(call->loader);
    PyMem_Free(call);
}

void record_import(Thread* t, const ImportCall* call) {
    Py_ssize_t length = 0;
    const char* name = PyUnicode_AsUTF8AndSize(call->name, &length);
    append(t, Kind::import, call->begin, now() - call->begin, 0, 0);
    if (name != nullptr) {
        append_text(t, spool::TextKind::import_name, name, static_cast<std::uint64_t>(length));
    }
}

PyObject* exec_module(PyObject* capsule, PyObject* module) {
    auto* call = static_cast<ImportCall*>(PyCapsule_GetPointer(capsule, import_capsule));
    if (call == nullptr) {
        return nullptr;
    }
    PyObject_SetAttrString(call->loader, "exec_module", nullptr);  // the loader is as it was
    PyErr_Clear();
    Thread* t = call->outermost && recording() ? thread() : nullptr;
    const int depth = t != nullptr ? push(t, Kind::import, call->begin) : 0;
    PyObject* result = PyObject_CallFunctionObjArgs(call->exec_module, module, nullptr);
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    if (result != nullptr && call->after != Py_None) {
        PyObject* answer = PyObject_CallFunctionObjArgs(call->after, module, nullptr);
        if (answer == nullptr && (PyErr_ExceptionMatches(PyExc_Exception) == 0 || error_is_of_handler())) {
            // The program was interrupted.
            Py_CLEAR(result);
            PyErr_Fetch(&type, &value, &trace);
        } else if (answer == nullptr) {
            report_disabled("hooks of an imported module");
        }
        Py_XDECREF(answer);
    }
    if (t != nullptr && thread_if_open() == t) {
        pop(t, depth);
        if (recording()) {
            record_import(t, call);
        }
    }
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return result;
}

PyMethodDef exec_module_method = {"exec_module", exec_module, METH_O, nullptr};

// import_hook(loader, name, begin, outermost, after): puts the timed exec_module on the loader object
PyObject* module_import_hook(PyObject*, PyObject* args) {
    PyObject *loader = nullptr, *name = nullptr, *after = nullptr;
    unsigned long long begin = 0;
    int outermost = 0;
    if (PyArg_ParseTuple(args, "OUKpO", &loader, &name, &begin, &outermost, &after) == 0) {
        return nullptr;
    }
    PyObject* original = PyObject_GetAttrString(loader, "exec_module");
    if (original == nullptr) {
        return nullptr;
    }
    auto* call = static_cast<ImportCall*>(PyMem_Malloc(sizeof(ImportCall)));
    if (call == nullptr) {
        Py_DECREF(original);
        return PyErr_NoMemory();
    }
    Py_INCREF(after);
    Py_INCREF(name);
    Py_INCREF(loader);
    *call = {original, after, name, loader, begin, outermost != 0};
    PyObject* capsule = PyCapsule_New(call, import_capsule, free_import);
    PyObject* timed = capsule != nullptr ? PyCFunction_NewEx(&exec_module_method, capsule, nullptr) : nullptr;
    Py_XDECREF(capsule);
    if (timed == nullptr || PyObject_SetAttrString(loader, "exec_module", timed) != 0) {
        Py_XDECREF(timed);
        return nullptr;
    }
    Py_DECREF(timed);
    return nothing();
}

std::uint64_t optimizer_of(PyObject* args) {
    return reinterpret_cast<std::uint64_t>(PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : nullptr);
}

// The depth of the open step of an optimizer; below 0 where it has none. Steps nest: some optimizers run another one.
int open_step(const Thread* t, std::uint64_t optimizer) {
    int i = (t->depth < stack_depth ? t->depth : stack_depth) - 1;
    while (i >= 0 &&
           !(t->stack[i].kind == static_cast<std::uint64_t>(Kind::optimizer) && t->optimizers[i] == optimizer)) {
        --i;
    }
    return i;
}

PyObject* optimizer_begin(PyObject*, PyObject* args) {
    Thread* t = recording() ? thread() : nullptr;
    if (t == nullptr) {
        return nothing();
    }
    ++t->header->hooks;
    const std::uint64_t optimizer = optimizer_of(args);
    if (const int raised = open_step(t, optimizer); raised >= 0) {  // it never ended: forget it
        pop(t, raised);
    }
    const int depth = push(t, Kind::optimizer, now());
    if (depth < stack_depth) {
        t->optimizers[depth] = optimizer;
    }
    return nothing();
}

PyObject* optimizer_end(PyObject*, PyObject* args) {
    Thread* t = thread_if_open();
    const std::uint64_t optimizer = optimizer_of(args);
    const int depth = t != nullptr && recording() ? open_step(t, optimizer) : -1;
    if (depth < 0) {
        return nothing();
    }
    ++t->header->hooks;
    const std::uint64_t start = t->stack[depth].start;
    pop(t, depth);
    append(t, Kind::optimizer, start, now() - start, optimizer, 0);
    count_step(t, optimizer);
    return nothing();
}

PyMethodDef optimizer_begin_method = {"__exit__", optimizer_begin, METH_VARARGS, nullptr};
PyMethodDef optimizer_end_method = {"__exit__", optimizer_end, METH_VARARGS, nullptr};

// optimizer_hooks(nothing) -> (begin, end): torch's own global hooks of steps, called with (optimizer, args, kwargs).
// A tool that pickles by value (cloudpickle) meets them in the globals of torch's functions. They pickle as the
// `__exit__` of `nothing`, a contextlib.nullcontext, which does nothing whatever it is called with, and which whoever
// loads the pickle has without headrace too.
PyObject* module_optimizer_hooks(PyObject*, PyObject* nothing_at_all) {
    PyObject* begin = PyCFunction_NewEx(&optimizer_begin_method, nothing_at_all, nullptr);
    PyObject* end = PyCFunction_NewEx(&optimizer_end_method, nothing_at_all, nullptr);
    PyObject* both = begin != nullptr && end != nullptr ? PyTuple_Pack(2, begin, end) : nullptr;
    Py_XDECREF(begin);
    Py_XDECREF(end);
    return both;
}

// mark_step(): the program itself says that a step has ended
PyObject* module_mark_step(PyObject*, PyObject*) {
    Thread* t = recording() ? thread() : nullptr;
    if (t != nullptr) {
        append(t, Kind::step, now(), 0, 0, 0);
        if (t->header->trains == 0) {  // where torch trains, its own steps are counted
            count_step(t, 0);
        }
    }
    return nothing();
}

// phase_begin() -> token, below 0 when nothing is recorded
PyObject* module_phase_begin(PyObject*, PyObject*) {
    Thread* t = recording() ? thread() : nullptr;
    return PyLong_FromLong(t != nullptr ? push(t, Kind::phase, now()) : -1);
}

// A name as it can be stored; the program may have given anything, and never sees an error.
const char* phase_name(PyObject* name, std::uint64_t* length) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &size) : nullptr;
    PyErr_Clear();
    if (text == nullptr || size == 0) {
        *length = 1;
        return "?";
    }
    std::uint64_t end = 0;
    while (end < static_cast<std::uint64_t>(size) && end < 200 && text[end] != 0) {
        ++end;
    }
    while (end > 0 && end < static_cast<std::uint64_t>(size) && (text[end] & 0xc0) == 0x80) {
        --end;  // not in the middle of a character
    }
    *length = end;
    return text;
}

// phase_end(name, token), on the thread that began it; anything else records nothing
PyObject* module_phase_end(PyObject*, PyObject* args) {
    PyObject* name = nullptr;
    int token = -1;
    if (PyArg_ParseTuple(args, "Oi", &name, &token) == 0) {
        return nullptr;
    }
    Thread* t = thread_if_open();
    if (t == nullptr || token < 0 || token >= t->depth || token >= stack_depth ||
        t->stack[token].kind != static_cast<std::uint64_t>(Kind::phase)) {
        return nothing();
    }
    const std::uint64_t start = t->stack[token].start;
    pop(t, token);
    if (recording()) {
        std::uint64_t length = 0;
        const char* text = phase_name(name, &length);
        append(t, Kind::phase, start, now() - start, 0, 0);
        append_text(t, spool::TextKind::phase_name, text, length);
    }
    return nothing();
}

// teardown(): the interpreter begins to shut down. Called from several places, the first one counts.
PyObject* module_teardown(PyObject*, PyObject*) {
    Thread* t = teardown_seen || !recording() ? nullptr : thread_if_open();
    if (t != nullptr) {
        teardown_seen = true;
        t->header->teardown = now();
        append(t, Kind::teardown, t->header->teardown, 0, 0, 0);
    }
    return nothing();
}

// calibrate(hook): what passing through a hook costs here, beside what the recorder measures of itself. `hook` stands
// for a builtin that does nothing and is switched off by its kind, so that nothing is recorded.
PyObject* module_calibrate(PyObject*, PyObject* args) {
    PyObject *hook = nullptr, *bare = nullptr;
    if (PyArg_ParseTuple(args, "OO", &hook, &bare) == 0) {
        return nullptr;
    }
    Thread* t = thread_if_open();
    if (t == nullptr) {
        return nothing();
    }
    constexpr unsigned rounds = 1000;
    std::uint64_t cost[2] = {0, 0};
    PyObject* callables[2] = {bare, hook};
    for (unsigned which = 0; which < 2; ++which) {
        const std::uint64_t begin = now();
        for (unsigned i = 0; i < rounds; ++i) {
            PyObject* answer = PyObject_CallFunctionObjArgs(callables[which], nullptr);
            if (answer == nullptr) {
                return nullptr;
            }
            Py_DECREF(answer);
        }
        cost[which] = (now() - begin) / rounds;
    }
    t->header->call_ns = cost[1] > cost[0] ? cost[1] - cost[0] : 1;
    return nothing();
}

PyMethodDef methods[] = {
    {"start", module_start, METH_VARARGS, nullptr},
    {"bind", module_bind, METH_O, nullptr},
    {"ready", module_ready, METH_VARARGS, nullptr},
    {"tensor_type", module_tensor_type, METH_VARARGS, nullptr},
    {"content", module_content, METH_O, nullptr},
    {"xxh64", module_xxh64, METH_VARARGS, nullptr},
    {"is_looked_at", module_is_looked_at, METH_VARARGS, nullptr},
    {"now", module_now, METH_NOARGS, nullptr},
    {"recording", module_recording, METH_NOARGS, nullptr},
    {"importing", module_importing, METH_NOARGS, nullptr},
    {"moment", module_moment, METH_VARARGS, nullptr},
    {"text", module_text, METH_VARARGS, nullptr},
    {"disabled", module_disabled, METH_VARARGS, nullptr},
    {"of_handler", module_of_handler, METH_O, nullptr},
    {"import_hook", module_import_hook, METH_VARARGS, nullptr},
    {"optimizer_hooks", module_optimizer_hooks, METH_O, nullptr},
    {"mark_step", module_mark_step, METH_NOARGS, nullptr},
    {"phase_begin", module_phase_begin, METH_NOARGS, nullptr},
    {"phase_end", module_phase_end, METH_VARARGS, nullptr},
    {"teardown", module_teardown, METH_NOARGS, nullptr},
    {"calibrate", module_calibrate, METH_VARARGS, nullptr},
    {"hook", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_hook)), METH_VARARGS | METH_KEYWORDS,
     nullptr},
    {nullptr, nullptr, 0, nullptr},
};

struct Constant {
    const char* name;
    long value;
};
constexpr Constant constants[] = {
    {"NONE", static_cast<long>(Kind::none)},
    {"WAIT", static_cast<long>(Kind::wait)},
    {"ITER", static_cast<long>(Kind::iter)},
    {"LOADER", static_cast<long>(Kind::loader)},
    {"WORKER", static_cast<long>(Kind::worker)},
    {"WORKER_BEGIN", static_cast<long>(Kind::worker_begin)},
    {"RECEIVE", static_cast<long>(Kind::receive)},
    {"FETCH", static_cast<long>(Kind::fetch)},
    {"FETCH_ITERATOR", static_cast<long>(Kind::fetch) | 1L << 8},
    {"PUT", static_cast<long>(Kind::put)},
    {"SEND", static_cast<long>(Kind::send)},
    {"FORWARD", static_cast<long>(Kind::forward)},
    {"BACKWARD", static_cast<long>(Kind::backward)},
    {"CHECKPOINT", static_cast<long>(Kind::checkpoint)},
    {"LOGGING", static_cast<long>(Kind::logging)},
    {"TRAIN_MODE", static_cast<long>(Kind::train_mode)},
    {"DEVICE_WAIT", static_cast<long>(Kind::device_wait)},
    {"TRANSFER", static_cast<long>(Kind::transfer)},
    {"PIN", static_cast<long>(Kind::pin)},
    {"SYNC", static_cast<long>(Kind::sync)},
    {"MEMORY", static_cast<long>(Kind::memory)},
    {"HANDOVER", static_cast<long>(Kind::handover)},
    {"FUTURE", static_cast<long>(Kind::handover) | static_cast<long>(spool::from_future) << 8},
    {"GROUP", static_cast<long>(Kind::group)},
    {"TEXT_LOADER_CONFIG", static_cast<long>(spool::TextKind::loader_config)},
    {"TEXT_FRAMEWORK", static_cast<long>(spool::TextKind::framework)},
    {"TEXT_LIMIT", static_cast<long>(spool::TextKind::limit)},
};

int add_constants(PyObject* module) {
    for (const Constant& constant : constants) {
        if (PyModule_AddIntConstant(module, constant.name, constant.value) != 0) {
            return -1;
        }
    }
    return 0;
}

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_recorder",
                          "Records what a training program does; see docs/formats/spool.md.",
                          -1,
                          methods,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace headrace::capture

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__recorder() {
    using namespace headrace::capture;
    loaded_at = now();
    PyObject* module = PyModule_Create(&definition);
    if (module == nullptr || !make_value_names() || !make_hook_types() || !make_stand_in_types() ||
        add_constants(module) != 0) {
        Py_XDECREF(module);
        return nullptr;
    }
    return module;
}
