#include "capture/stand_ins.h"

#include "capture/content.h"
#include "capture/costs.h"
#include "capture/hook.h"
#include "capture/spool_writer.h"

namespace headrace::capture {
namespace {

// TimedDataset or TimedIterator: sums what the samples of the thread's batch cost.
struct Proxy {
    PyObject_HEAD PyObject* target;  // the dataset, or the iterator over it
};

PyTypeObject* dataset_type = nullptr;
PyTypeObject* iterator_type = nullptr;
PyObject* name_dataset = nullptr;
PyObject* name_dataset_iter = nullptr;
PyObject* name_collate_fn = nullptr;

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

// The wall time of it; 0 where it is not timed.
std::uint64_t end_sample(const SampleClock& clock, std::uint64_t samples) {
    Thread* t = clock.thread;
    if (t == nullptr || thread_if_open() != t) {
        return 0;
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
    return wall;
}

PyObject* dataset_subscript(PyObject* self, PyObject* index) {
    const SampleClock clock = begin_sample();
    PyObject* sample = PyObject_GetItem(as_proxy(self)->target, index);
    if (sample != nullptr) {
        const Py_ssize_t many =
            PyList_Check(index) ? PyList_Size(index) : 1;  // without automatic batching a list comes
        const std::uint64_t wall = end_sample(clock, static_cast<std::uint64_t>(many));
        if (wall != 0 && !PyList_Check(index) && !note_content(clock.thread, index, sample, wall)) {
            Py_CLEAR(sample);
        }
    }
    return sample;
}

Py_ssize_t dataset_length(PyObject* self) { return PyObject_Size(as_proxy(self)->target); }

// Of samples that were made together. False with the error of a handler of a signal set.
bool note_contents(Thread* t, PyObject* indices, PyObject* samples, std::uint64_t wall) {
    if (!PyList_Check(indices) || !PyList_Check(samples) || PyList_Size(indices) != PyList_Size(samples)) {
        return true;
    }
    const Py_ssize_t count = PyList_Size(samples);
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (PyList_Size(indices) != count || PyList_Size(samples) != count) {  // another thread changed them
            return true;
        }
        PyObject *index = PyList_GetItem(indices, i), *sample = PyList_GetItem(samples, i);
        Py_INCREF(index);
        Py_INCREF(sample);
        const bool noted = note_content(t, index, sample, wall / static_cast<std::uint64_t>(count));
        Py_DECREF(index);
        Py_DECREF(sample);
        if (!noted) {
            return false;
        }
    }
    return true;
}

// What __getitems__ of a TimedDataset is: the dataset's own, timed as one group of samples.
PyObject* fetch_many(PyObject* function, PyObject* indices) {
    const SampleClock clock = begin_sample();
    PyObject* samples = PyObject_CallFunctionObjArgs(function, indices, nullptr);
    if (samples != nullptr) {
        const Py_ssize_t many = PyObject_Size(indices);
        PyErr_Clear();
        const std::uint64_t wall = end_sample(clock, many > 0 ? static_cast<std::uint64_t>(many) : 1);
        if (wall != 0 && !note_contents(clock.thread, indices, samples, wall)) {
            Py_CLEAR(samples);
        }
    }
    return samples;
}

PyMethodDef fetch_many_method = {"__getitems__", fetch_many, METH_O, nullptr};

PyObject* dataset_getattr(PyObject* self, PyObject* name) {
    PyObject* value = PyObject_GetAttr(as_proxy(self)->target, name);
    if (value == nullptr || PyUnicode_CompareWithASCIIString(name, "__getitems__") != 0 ||
        PyCallable_Check(value) == 0) {
        return value;
    }
    PyObject* timed = PyCFunction_NewEx(&fetch_many_method, value, nullptr);
    Py_DECREF(value);
    return timed;
}

PyObject* iterator_next(PyObject* self) {
    const SampleClock clock = begin_sample();
    // Not PyIter_Next, which takes away the StopIteration of the program's own and what it carries.
    PyObject* target = as_proxy(self)->target;
    const auto next = reinterpret_cast<iternextfunc>(PyType_GetSlot(Py_TYPE(target), Py_tp_iternext));
    PyObject* sample = next != nullptr ? next(target) : PyErr_Format(PyExc_TypeError, "not an iterator");
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

int proxy_setattr(PyObject* self, PyObject* name, PyObject* value) {
    return value != nullptr ? PyObject_SetAttr(as_proxy(self)->target, name, value)
                            : PyObject_DelAttr(as_proxy(self)->target, name);
}

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

PyObject* proxy_of(PyTypeObject* type, PyObject* target) {
    Proxy* proxy = PyObject_GC_New(Proxy, type);
    if (proxy == nullptr) {
        return nullptr;
    }
    Py_INCREF(target);
    proxy->target = target;
    PyObject_GC_Track(proxy);
    return reinterpret_cast<PyObject*>(proxy);
}

PyType_Slot dataset_slots[] = {{Py_mp_subscript, slot(dataset_subscript)}, {Py_mp_length, slot(dataset_length)},
                               {Py_tp_getattro, slot(dataset_getattr)},    {Py_tp_setattro, slot(proxy_setattr)},
                               {Py_tp_traverse, slot(proxy_traverse)},     {Py_tp_clear, slot(proxy_clear)},
                               {Py_tp_dealloc, slot(proxy_dealloc)},       {0, nullptr}};
PyType_Slot iterator_slots[] = {{Py_tp_iternext, slot(iterator_next)},    {Py_tp_iter, slot(iterator_iter)},
                                {Py_tp_getattro, slot(iterator_getattr)}, {Py_tp_setattro, slot(proxy_setattr)},
                                {Py_tp_traverse, slot(proxy_traverse)},   {Py_tp_clear, slot(proxy_clear)},
                                {Py_tp_dealloc, slot(proxy_dealloc)},     {0, nullptr}};
constexpr unsigned int proxy_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
PyType_Spec dataset_spec = {"headrace.TimedDataset", sizeof(Proxy), 0, proxy_flags, dataset_slots};
PyType_Spec iterator_spec = {"headrace.TimedIterator", sizeof(Proxy), 0, proxy_flags, iterator_slots};

// Puts what `made` gives of an attribute's value in its place; null where that is not possible.
template <class Made>
PyObject* replace(PyObject* fetcher, PyObject* name, const Made& made) {
    PyObject* present = PyObject_GetAttr(fetcher, name);
    PyObject* stand_in = present != nullptr ? made(present) : nullptr;
    Py_XDECREF(present);
    if (stand_in != nullptr && PyObject_SetAttr(fetcher, name, stand_in) != 0) {
        Py_CLEAR(stand_in);
    }
    PyErr_Clear();
    return stand_in;
}

bool is_proxy(PyObject* object) { return Py_TYPE(object) == dataset_type || Py_TYPE(object) == iterator_type; }

// Gives an attribute its value back, unless the program has given it another one meanwhile.
void put_back(PyObject* fetcher, PyObject* name, PyObject* stand_in, PyObject* original) {
    PyObject* present = PyObject_GetAttr(fetcher, name);
    if (present == stand_in) {
        PyObject_SetAttr(fetcher, name, original);
    }
    PyErr_Clear();
    Py_XDECREF(present);
    Py_DECREF(stand_in);
}

}  // namespace

StandIns put_in(PyObject* fetcher, bool of_iterator, bool time_samples) {
    StandIns in{};
    if (fetcher == nullptr) {
        return in;
    }
    in.fetcher = fetcher;
    in.samples_name = of_iterator ? name_dataset_iter : name_dataset;
    if (time_samples) {
        in.samples = replace(fetcher, in.samples_name, [&](PyObject* present) {
            // Another thread that fetches from the same fetcher has left one there for now.
            PyObject* target = is_proxy(present) ? as_proxy(present)->target : present;
            return proxy_of(of_iterator ? iterator_type : dataset_type, target);
        });
    }
    in.collate = replace(fetcher, name_collate_fn, [](PyObject* present) {
        PyObject* function = hooked_function(present);
        return new_hook(function != nullptr ? function : present, spool::Kind::collate);
    });
    return in;
}

void take_out(const StandIns& in) {
    if (in.samples == nullptr && in.collate == nullptr) {
        return;
    }
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    if (in.samples != nullptr) {
        put_back(in.fetcher, in.samples_name, in.samples, as_proxy(in.samples)->target);
    }
    if (in.collate != nullptr) {
        put_back(in.fetcher, name_collate_fn, in.collate, hooked_function(in.collate));
    }
    PyErr_Restore(type, value, trace);
}

bool make_stand_in_types() {
    dataset_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&dataset_spec));
    iterator_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&iterator_spec));
    name_dataset = PyUnicode_InternFromString("dataset");
    name_dataset_iter = PyUnicode_InternFromString("dataset_iter");
    name_collate_fn = PyUnicode_InternFromString("collate_fn");
    return dataset_type != nullptr && iterator_type != nullptr && name_dataset != nullptr &&
           name_dataset_iter != nullptr && name_collate_fn != nullptr;
}

}  // namespace headrace::capture
