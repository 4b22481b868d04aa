// TimedDataset and TimedIterator stand between a fetcher and the program's dataset and sum what its samples cost.
// Only the fetcher sees them, and only while samples are timed (capture/fetch.h); the program's own dataset object is
// untouched.
#include "capture/costs.h"
#include "capture/hook.h"
#include "capture/spool_writer.h"

namespace headrace::capture {
namespace {

struct Proxy {
    PyObject_HEAD PyObject* target;  // the dataset, or the iterator over it
};

Proxy* as_proxy(PyObject* object) { return reinterpret_cast<Proxy*>(object); }

struct SampleClock {
    Thread* thread;
    std::uint64_t wall;
    std::uint64_t cpu;
};

// The clock of one sample. Between two samples of a batch lies a list append: the CPU time of the end before serves as
// that of this begin, which saves a system call a sample.
SampleClock begin_sample() {
    Thread* t = recording() ? thread_if_open() : nullptr;
    if (t == nullptr || t->batch.light || !inside(t, spool::Kind::fetch)) {
        return {nullptr, 0, 0};
    }
    return {t, now(), t->batch.last_cpu};
}

void end_sample(const SampleClock& clock, std::uint64_t samples) {
    Thread* t = clock.thread;
    if (t == nullptr || thread_if_open() != t) {
        return;
    }
    Batch& b = t->batch;
    const std::uint64_t wall = now() - clock.wall;
    b.last_cpu = thread_cpu();
    const std::uint64_t cpu = b.last_cpu - clock.cpu;
    b.sample_wall += wall;
    b.sample_cpu += cpu;
    b.samples += samples;
    ++t->header->hooks;
    b.random = b.random * 6364136223846793005U + 1442695040888963407U;
    if (samples == 1 &&
        (b.random >> 33) % b.samples == 0) {  // reservoir of one: every sample of the batch equally likely
        b.picked = b.samples - 1;
        b.single_start = clock.wall;
        b.single_wall = wall;
        b.single_cpu = cpu;
    }
}

PyObject* dataset_subscript(PyObject* self, PyObject* index) {
    const SampleClock clock = begin_sample();
    PyObject* sample = PyObject_GetItem(as_proxy(self)->target, index);
    if (sample != nullptr) {
        const Py_ssize_t many =
            PyList_Check(index) ? PyList_Size(index) : 1;  // without automatic batching a list comes
        end_sample(clock, static_cast<std::uint64_t>(many));
    }
    return sample;
}

Py_ssize_t dataset_length(PyObject* self) { return PyObject_Size(as_proxy(self)->target); }

// What __getitems__ of a TimedDataset is: the dataset's own, timed as one group of samples.
PyObject* fetch_many(PyObject* function, PyObject* indices) {
    const SampleClock clock = begin_sample();
    PyObject* samples = PyObject_CallFunctionObjArgs(function, indices, nullptr);
    if (samples != nullptr) {
        const Py_ssize_t many = PyObject_Size(indices);
        PyErr_Clear();
        end_sample(clock, many > 0 ? static_cast<std::uint64_t>(many) : 1);
    }
    return samples;
}

PyMethodDef fetch_many_method = {"__getitems__", fetch_many, METH_O, nullptr};

PyObject* dataset_getattr(PyObject* self, PyObject* name) {
    PyObject* value = PyObject_GetAttr(as_proxy(self)->target, name);
    if (value == nullptr || value == Py_None || PyUnicode_CompareWithASCIIString(name, "__getitems__") != 0) {
        return value;
    }
    PyObject* timed = PyCFunction_NewEx(&fetch_many_method, value, nullptr);
    Py_DECREF(value);
    return timed;
}

PyObject* iterator_next(PyObject* self) {
    const SampleClock clock = begin_sample();
    PyObject* sample = PyIter_Next(as_proxy(self)->target);
    if (sample != nullptr) {
        end_sample(clock, 1);
    }
    return sample;
}

PyObject* iterator_iter(PyObject* self) {
    Py_INCREF(self);
    return self;
}

PyObject* iterator_getattr(PyObject* self, PyObject* name) { return PyObject_GetAttr(as_proxy(self)->target, name); }

int proxy_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_proxy(self)->target);
    return 0;
}

int proxy_clear(PyObject* self) {
    Py_CLEAR(as_proxy(self)->target);
    return 0;
}

void proxy_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    proxy_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyObject* proxy_new(PyTypeObject* type, PyObject* args, PyObject*) {
    PyObject* target = nullptr;
    if (PyArg_ParseTuple(args, "O", &target) == 0) {
        return nullptr;
    }
    Proxy* proxy = PyObject_GC_New(Proxy, type);
    if (proxy == nullptr) {
        return nullptr;
    }
    Py_INCREF(target);
    proxy->target = target;
    PyObject_GC_Track(proxy);
    return reinterpret_cast<PyObject*>(proxy);
}

template <class Function>
void* slot(Function* function) {
    return reinterpret_cast<void*>(function);
}

PyType_Slot dataset_slots[] = {{Py_mp_subscript, slot(dataset_subscript)},
                               {Py_mp_length, slot(dataset_length)},
                               {Py_tp_getattro, slot(dataset_getattr)},
                               {Py_tp_traverse, slot(proxy_traverse)},
                               {Py_tp_clear, slot(proxy_clear)},
                               {Py_tp_dealloc, slot(proxy_dealloc)},
                               {Py_tp_new, slot(proxy_new)},
                               {0, nullptr}};
PyType_Slot iterator_slots[] = {{Py_tp_iternext, slot(iterator_next)},
                                {Py_tp_iter, slot(iterator_iter)},
                                {Py_tp_getattro, slot(iterator_getattr)},
                                {Py_tp_traverse, slot(proxy_traverse)},
                                {Py_tp_clear, slot(proxy_clear)},
                                {Py_tp_dealloc, slot(proxy_dealloc)},
                                {Py_tp_new, slot(proxy_new)},
                                {0, nullptr}};
constexpr unsigned int proxy_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
PyType_Spec dataset_spec = {"headrace.TimedDataset", sizeof(Proxy), 0, proxy_flags, dataset_slots};
PyType_Spec iterator_spec = {"headrace.TimedIterator", sizeof(Proxy), 0, proxy_flags, iterator_slots};
PyTypeObject* iterator_type = nullptr;

}  // namespace

PyObject* untimed(PyObject* timed) noexcept { return as_proxy(timed)->target; }

bool is_timed_iterator(PyObject* timed) noexcept { return Py_TYPE(timed) == iterator_type; }

int add_dataset_types(PyObject* module) {
    PyObject* dataset = PyType_FromSpec(&dataset_spec);
    PyObject* iterator = PyType_FromSpec(&iterator_spec);
    if (dataset == nullptr || iterator == nullptr) {
        return -1;
    }
    iterator_type = reinterpret_cast<PyTypeObject*>(iterator);
    return PyModule_AddObject(module, "TimedDataset", dataset) == 0 &&
                   PyModule_AddObject(module, "TimedIterator", iterator) == 0
               ? 0
               : -1;
}

}  // namespace headrace::capture
