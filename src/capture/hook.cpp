#include "capture/hook.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "capture/costs.h"
#include "capture/fetch.h"
#include "capture/handlers.h"
#include "capture/spool_writer.h"
#include "capture/stand_ins.h"
#include "capture/values.h"

namespace headrace::capture {
namespace {

using spool::Kind;

struct Hook {
    PyObject_HEAD PyObject* function;
    PyObject* before;  // called with (args, kwargs) first, or null
    PyObject* after;   // called with (args, kwargs, result) when the call succeeded, or null
    PyObject* weak_references;
    Kind kind;
    std::uint64_t b;  // of its records, where the kind itself puts nothing there
    bool off;
};

PyObject* method_type = nullptr;

// A method of a class binds to its instances, a built-in function does not: the hook of each does the same.
PyTypeObject* binding_type = nullptr;
PyTypeObject* plain_type = nullptr;

bool is_hook(PyObject* object) { return Py_TYPE(object) == binding_type || Py_TYPE(object) == plain_type; }

Hook* as_hook(PyObject* object) { return reinterpret_cast<Hook*>(object); }

PyObject* argument(PyObject* args, Py_ssize_t number) {
    return PyTuple_Size(args) > number ? PyTuple_GetItem(args, number) : nullptr;
}

PyObject* first_argument(PyObject* args) { return argument(args, 0); }

std::uint64_t address(PyObject* object) { return reinterpret_cast<std::uint64_t>(object); }

// One call in 16 measures what the recorder itself takes, so that measuring does not become the cost. Chosen at random:
// every 16th would meet the same hook again and again in a loop of 16 calls.
bool measures_itself(Thread* t) {
    t->random = t->random * 6364136223846793005U + 1442695040888963407U;
    return t->random >> 60 == 0;
}

// What takes longer was no work of ours: another program had the core.
constexpr std::uint64_t longest_work = 50'000;

void add_self_time(Thread* t, std::uint64_t nanoseconds) {
    t->header->self_ns += 16 * (nanoseconds < longest_work ? nanoseconds : longest_work);
}

// Whether an interval of this kind is worth a record here: the outermost one, and nothing inside what is counted whole.
bool wanted(const Thread* t, Kind kind) {
    if (t->depth == 0) {
        return true;
    }
    if (inside(t, kind) || inside(t, Kind::checkpoint)) {
        return false;
    }
    const bool loading = inside(t, Kind::wait) || inside(t, Kind::fetch);
    switch (kind) {
        case Kind::fetch:
        case Kind::collate:
        case Kind::receive:
            return true;
        case Kind::forward:
            return !loading && !inside(t, Kind::backward);  // activations computed again are backward
        case Kind::send:
            return true;
        default:
            return !loading;
    }
}

// `error`: the type of the exception that the call ended with, where it did.
void finish_record(Thread* t, Hook* hook, PyObject* args, PyObject* result, PyObject* error, std::uint64_t start,
                   std::uint64_t end) {
    PyObject* self = first_argument(args);
    switch (hook->kind) {
        case Kind::wait:
            if (result != nullptr) {
                t->has_batches = true;
                t->batch_since_step = true;
                append(t, Kind::wait, start, end - start, address(self),
                       batch_number(self, t->last_received) | token_count(result) << 32);
            } else {
                append(t, Kind::wait, start, end - start, address(self), spool::wait_ended);
                if (self != nullptr && error != nullptr &&
                    PyErr_GivenExceptionMatches(error, PyExc_StopIteration) == 0) {
                    append(t, Kind::failed, end, 0, address(self), batch_number(self, t->last_received));
                }
            }
            return;
        case Kind::receive: {
            // (True, (index, data)) when something came; anything else was a time-out or another message.
            PyObject* pair = result != nullptr && PyTuple_Check(result) && PyTuple_Size(result) == 2
                                 ? PyTuple_GetItem(result, 1)
                                 : nullptr;
            if (const std::uint64_t number = number_of_pair(pair)) {
                t->last_received = number;
                append(t, Kind::receive, start, end - start, address(self), number);
            }
            return;
        }
        case Kind::fetch:
            end_fetch(t, start, end);
            return;
        case Kind::collate:
            end_collate(t, start, end);
            return;
        case Kind::send: {
            const Py_ssize_t bytes = self != nullptr ? PyObject_Size(self) : 0;
            PyErr_Clear();
            append(t, Kind::send, start, end - start, bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0, thread_cpu());
            return;
        }
        case Kind::backward:
            t->header->trains = 1;
            append(t, Kind::backward, start, end - start, address(self), 0);
            return;
        case Kind::device_wait:
        case Kind::transfer:  // the program's tensors have the same methods wherever they lie
            if (!is_on_host(self) || (hook->kind == Kind::transfer && result != nullptr && !is_on_host(result))) {
                append(t, hook->kind, start, end - start, address(self), hook->b);
            }
            return;
        case Kind::iter:
            forget_paces(t);
            append(t, Kind::iter, start, end - start, address(self), address(result));
            return;
        default:
            append(t, hook->kind, start, end - start, address(self), hook->b);
            return;
    }
}

// Looks at what the thread and its process have used come in pairs around a wait. A pair costs 20 to 40 microseconds
// after a long step, so after the first ones they are rare.
constexpr std::uint64_t usage_period = 5'000'000;          // nanoseconds
constexpr std::uint64_t later_usage_period = 250'000'000;  // likewise
constexpr unsigned first_usages = 20;

void append_usage(Thread* t) {
    const std::uint64_t run_queue = run_queue_once(t);
    const std::uint64_t own = thread_cpu();
    const std::uint64_t when = now();
    append(t, Kind::thread_cpu, when, 0, own, run_queue);
    append(t, Kind::process_cpu, when, 0, process_cpu(), 0);
}

PyObject* timed_call(Hook* hook, Thread* t, PyObject* args, PyObject* kwargs) {
    const std::uint64_t called = now();
    ++t->header->hooks;
    const bool measure = measures_itself(t);
    const bool looks = hook->kind == Kind::wait && called >= t->next_usage;
    if (hook->kind == Kind::wait) {
        forget_steps(t);
    }
    if (looks) {
        append_usage(t);
    }
    const std::uint64_t start = looks ? now() : called;
    if (hook->kind == Kind::wait) {
        t->header->waits_on = address(first_argument(args));
        t->last_received = 0;
    }
    const int depth = push(t, hook->kind, start);
    StandIns stand_ins{};
    if (hook->kind == Kind::fetch) {
        const bool of_iterator = hook->b != 0;
        if (begin_fetch(t, start, first_argument(args), argument(args, 1), of_iterator)) {
            stand_ins = put_in(first_argument(args), of_iterator, !t->batch.light);
        }
    } else if (hook->kind == Kind::collate) {
        begin_collate(t, first_argument(args));
    }
    std::uint64_t self_time = measure ? now() - called : 0;
    PyObject* result = PyObject_Call(hook->function, args, kwargs);
    const std::uint64_t end = now();
    take_out(stand_ins);
    if (thread_if_open() != t) {
        return result;  // this is the child of a fork that happened inside the call: the record is the parent's
    }
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    if (result == nullptr) {
        PyErr_Fetch(&type, &value, &trace);
    }
    if (recording()) {
        finish_record(t, hook, args, result, type, start, end);
        if (looks) {
            append_usage(t);
            t->next_usage = end + (++t->usages <= first_usages ? usage_period : later_usage_period);
        }
    }
    pop(t, depth);
    if (result == nullptr) {
        PyErr_Restore(type, value, trace);
    }
    if (measure) {
        self_time += now() - end;
        add_self_time(t, self_time);
    }
    return result;
}

// put((index, data)) of a worker's data queue, and train(mode): moments, told from their arguments.
PyObject* moment_call(Hook* hook, Thread* t, PyObject* args, PyObject* kwargs) {
    const std::uint64_t start = now();
    ++t->header->hooks;
    if (hook->kind == Kind::put) {
        PyObject* pair = first_argument(args);
        if (const std::uint64_t number = number_of_pair(pair)) {
            append(t, Kind::put, start, 0, is_end_of_samples(PyTuple_GetItem(pair, 1)) ? spool::no_batch : 0, number);
        } else {
            append(t, Kind::resume, start, 0, 0, 0);
        }
        return PyObject_Call(hook->function, args, kwargs);
    }
    PyObject* mode = PyTuple_Size(args) > 1 ? PyTuple_GetItem(args, 1)
                     : kwargs != nullptr    ? PyDict_GetItemString(kwargs, "mode")
                                            : nullptr;
    append(t, Kind::train_mode, start, 0, address(first_argument(args)), mode == Py_False ? 0 : 1);
    const int depth = push(t, hook->kind, start);
    PyObject* result = PyObject_Call(hook->function, args, kwargs);
    if (thread_if_open() == t) {
        pop(t, depth);
    }
    return result;
}

// Calls `before` or `after`. What they raise switches the hook off and goes no further, but for what is no Exception or
// comes from a handler of a signal: that is the program's, which was interrupted meanwhile. False with that error set.
bool notify(Hook* hook, PyObject* callback, PyObject* args, PyObject* kwargs, PyObject* result) {
    PyObject* keywords = kwargs != nullptr ? kwargs : Py_None;
    PyObject* answer = result != nullptr ? PyObject_CallFunctionObjArgs(callback, args, keywords, result, nullptr)
                                         : PyObject_CallFunctionObjArgs(callback, args, keywords, nullptr);
    if (answer != nullptr) {
        Py_DECREF(answer);
        return true;
    }
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0 || error_is_of_handler()) {
        return false;
    }
    hook->off = true;
    report_disabled("a hook's notice");
    return true;
}

// The spool to record into. A queue is read by many threads that never train: they get no spool for it.
Thread* thread_for(Kind kind) {
    if (kind == Kind::none) {
        return nullptr;
    }
    return kind == Kind::handover ? thread_if_open() : thread();
}

// Makes the call between the two notices.
template <class Call>
PyObject* told_call(Hook* hook, PyObject* args, PyObject* kwargs, Call call) {
    if (hook->before != nullptr && !notify(hook, hook->before, args, kwargs, nullptr)) {
        return nullptr;
    }
    PyObject* result = call();
    if (result != nullptr && hook->after != nullptr && !hook->off && !notify(hook, hook->after, args, kwargs, result)) {
        Py_CLEAR(result);
    }
    return result;
}

// A fix is told of calls whether they are recorded or not: of the outermost one of a kind on each thread.
PyObject* unrecorded_call(Hook* hook, PyObject* args, PyObject* kwargs) {
    static thread_local bool inside[256];
    bool& within = inside[static_cast<std::uint8_t>(hook->kind)];
    if (within || (hook->before == nullptr && hook->after == nullptr)) {
        return PyObject_Call(hook->function, args, kwargs);
    }
    return told_call(hook, args, kwargs, [&] {
        within = true;
        PyObject* result = PyObject_Call(hook->function, args, kwargs);
        within = false;
        return result;
    });
}

PyObject* hook_call(PyObject* object, PyObject* args, PyObject* kwargs) {
    Hook* hook = as_hook(object);
    if (hook->off) {
        return PyObject_Call(hook->function, args, kwargs);
    }
    // What records nothing itself goes on after --max-steps: it changes what else is hooked, for a compiler for
    // example.
    if (hook->kind != Kind::none && !recording()) {
        return unrecorded_call(hook, args, kwargs);
    }
    Thread* t = thread_for(hook->kind);
    if (hook->kind != Kind::none && (t == nullptr || !wanted(t, hook->kind))) {
        if (t != nullptr) {
            ++t->header->hooks;
        }
        return PyObject_Call(hook->function, args, kwargs);
    }
    return told_call(hook, args, kwargs, [&] {
        if (t == nullptr) {
            return PyObject_Call(hook->function, args, kwargs);
        }
        return hook->kind == Kind::put || hook->kind == Kind::train_mode ? moment_call(hook, t, args, kwargs)
                                                                         : timed_call(hook, t, args, kwargs);
    });
}

PyObject* hook_bind(PyObject* self, PyObject* instance, PyObject*) {
    if (instance == nullptr || instance == Py_None || method_type == nullptr) {
        Py_INCREF(self);
        return self;
    }
    return PyObject_CallFunctionObjArgs(method_type, self, instance, nullptr);
}

PyObject* hook_getattr(PyObject* self, PyObject* name) {
    PyObject* own = PyObject_GenericGetAttr(self, name);
    if (own != nullptr || PyErr_ExceptionMatches(PyExc_AttributeError) == 0) {
        return own;
    }
    PyErr_Clear();
    return PyObject_GetAttr(as_hook(self)->function, name);
}

int hook_setattr(PyObject* self, PyObject* name, PyObject* value) {
    return value != nullptr ? PyObject_SetAttr(as_hook(self)->function, name, value)
                            : PyObject_DelAttr(as_hook(self)->function, name);
}

PyObject* hook_repr(PyObject* self) { return PyObject_Repr(as_hook(self)->function); }

Py_hash_t hook_hash(PyObject* self) { return PyObject_Hash(as_hook(self)->function); }

// Equal to itself, to what it stands for, and to another hook of the same: a reference taken before stays equal.
PyObject* hook_compare(PyObject* self, PyObject* other, int operation) {
    if (operation != Py_EQ && operation != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject* mine = as_hook(self)->function;
    PyObject* theirs = is_hook(other) ? as_hook(other)->function : other;
    return PyObject_RichCompare(mine, theirs, operation);
}

int hook_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_hook(self)->function);
    Py_VISIT(as_hook(self)->before);
    Py_VISIT(as_hook(self)->after);
    return 0;
}

int hook_clear(PyObject* self) {
    Py_CLEAR(as_hook(self)->function);
    Py_CLEAR(as_hook(self)->before);
    Py_CLEAR(as_hook(self)->after);
    return 0;
}

void hook_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    hook_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyObject* hook_class(PyObject* self, void*) {
    PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(as_hook(self)->function));
    Py_INCREF(type);
    return type;
}

// The docstring needs a getter of its own: a type's own __doc__ would hide it.
PyObject* hook_doc(PyObject* self, void*) { return PyObject_GetAttrString(as_hook(self)->function, "__doc__"); }

// Likewise __module__, which pickling by name needs.
PyObject* hook_module(PyObject* self, void*) { return PyObject_GetAttrString(as_hook(self)->function, "__module__"); }

// Pickled by name, as functions are: the process that reads it finds the function, hooked there or not.
PyObject* hook_reduce(PyObject* self, PyObject*) {
    PyObject* function = as_hook(self)->function;
    PyObject* owner = PyObject_GetAttrString(function, "__self__");
    if (owner == nullptr || PyModule_Check(owner)) {  // a plain or a built-in function
        PyErr_Clear();
        Py_XDECREF(owner);
        return PyObject_GetAttrString(function, "__qualname__");
    }
    Py_DECREF(owner);
    return PyObject_CallMethod(function, "__reduce_ex__", "i", 4);
}

PyGetSetDef hook_getset[] = {{"__class__", hook_class, nullptr, nullptr, nullptr},
                             {"__doc__", hook_doc, nullptr, nullptr, nullptr},
                             {"__module__", hook_module, nullptr, nullptr, nullptr},
                             {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef hook_methods[] = {{"__reduce_ex__", hook_reduce, METH_VARARGS, nullptr},
                              {"__reduce__", hook_reduce, METH_NOARGS, nullptr},
                              {nullptr, nullptr, 0, nullptr}};

// Functions can be referenced weakly: torch's compiler does so with what it guards.
PyMemberDef hook_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(Hook, weak_references), READONLY, nullptr},
                              {nullptr, 0, 0, 0, nullptr}};

PyType_Slot hook_slots[] = {{Py_tp_call, slot(hook_call)},
                            {Py_tp_getattro, slot(hook_getattr)},
                            {Py_tp_setattro, slot(hook_setattr)},
                            {Py_tp_repr, slot(hook_repr)},
                            {Py_tp_hash, slot(hook_hash)},
                            {Py_tp_richcompare, slot(hook_compare)},
                            {Py_tp_traverse, slot(hook_traverse)},
                            {Py_tp_clear, slot(hook_clear)},
                            {Py_tp_dealloc, slot(hook_dealloc)},
                            {Py_tp_getset, hook_getset},
                            {Py_tp_methods, hook_methods},
                            {Py_tp_members, hook_members},
                            {0, nullptr},  // the room for what binds
                            {0, nullptr}};
constexpr std::size_t binding_slot = sizeof hook_slots / sizeof *hook_slots - 2;
constexpr unsigned int hook_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;

PyTypeObject* make_type(unsigned int more_flags) {
    PyType_Spec spec = {"headrace.Hook", sizeof(Hook), 0, hook_flags | more_flags, hook_slots};
    return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

}  // namespace

void report_disabled(const char* where) {
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    Thread* t = thread();
    if (t != nullptr) {
        ++t->header->disabled;
        PyObject* text = PyUnicode_FromFormat("%s: %S", where, value != nullptr ? value : Py_None);
        Py_ssize_t length = 0;
        const char* utf8 = text != nullptr ? PyUnicode_AsUTF8AndSize(text, &length) : nullptr;
        if (utf8 != nullptr) {
            append_text(t, spool::TextKind::disabled, utf8, static_cast<std::uint64_t>(length < 500 ? length : 500));
        }
        Py_XDECREF(text);
        PyErr_Clear();
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
}

bool set_method_type(PyObject* type) {
    Py_INCREF(type);
    method_type = type;
    return true;
}

PyObject* hooked_function(PyObject* object) noexcept { return is_hook(object) ? as_hook(object)->function : nullptr; }

PyObject* new_hook(PyObject* function, Kind kind) {
    PyTypeObject* type = PyType_GetSlot(Py_TYPE(function), Py_tp_descr_get) != nullptr ? binding_type : plain_type;
    Hook* hook = PyObject_GC_New(Hook, type);
    if (hook == nullptr) {
        return nullptr;
    }
    Py_INCREF(function);
    hook->function = function;
    hook->before = nullptr;
    hook->after = nullptr;
    hook->weak_references = nullptr;
    hook->kind = kind;
    hook->b = 0;
    hook->off = false;
    PyObject_GC_Track(hook);
    return reinterpret_cast<PyObject*>(hook);
}

PyObject* make_hook(PyObject*, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"function", "kind", "after", "before", nullptr};
    PyObject *function = nullptr, *after = Py_None, *before = Py_None;
    int kind = 0;
    if (PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|OO", const_cast<char**>(names), &function, &kind, &after,
                                    &before) == 0) {
        return nullptr;
    }
    PyObject* object = new_hook(function, static_cast<Kind>(kind & 0xff));
    if (object == nullptr) {
        return nullptr;
    }
    Hook* hook = as_hook(object);
    hook->b = static_cast<std::uint64_t>(kind) >> 8;
    hook->after = after != Py_None ? after : nullptr;
    hook->before = before != Py_None ? before : nullptr;
    Py_XINCREF(hook->after);
    Py_XINCREF(hook->before);
    return object;
}

bool make_hook_types() {
    plain_type = make_type(0);
    hook_slots[binding_slot] = {Py_tp_descr_get, slot(hook_bind)};
    // METHOD_DESCRIPTOR lets the interpreter call it as a method without making a bound object first.
    binding_type = make_type(Py_TPFLAGS_METHOD_DESCRIPTOR);
    return plain_type != nullptr && binding_type != nullptr;
}

}  // namespace headrace::capture
