#include "capture/content.h"

#include "capture/costs.h"
#include "capture/handlers.h"
#include "capture/hasher.h"

namespace headrace::capture {
namespace {

constexpr std::uint64_t most_hashed_index = 0xffffffffU;  // that a record can hold

// The number of an index that is one; false for any other, and for one that no record can hold.
bool number_of_index(PyObject* index, std::uint64_t* number) {
    static PyTypeObject* known = nullptr;  // of NumPy: only compared
    if (!PyLong_CheckExact(index) && Py_TYPE(index) != known) {
        PyObject* numpy = imported("numpy");
        const Owned scalar(numpy != nullptr ? PyObject_GetAttrString(numpy, "integer") : nullptr);
        if (!scalar || !PyType_Check(scalar.get()) ||
            PyType_IsSubtype(Py_TYPE(index), reinterpret_cast<PyTypeObject*>(scalar.get())) == 0) {
            PyErr_Clear();
            return false;
        }
        known = Py_TYPE(index);
    }
    const Py_ssize_t value = PyNumber_AsSsize_t(index, nullptr);
    PyErr_Clear();
    *number = static_cast<std::uint64_t>(value);
    return value >= 0 && *number <= most_hashed_index;
}

// Hashing may take so much: 2 microseconds of each sample, and a hundredth of the time that samples take. Where it
// takes more, half as many are looked at from then on; those that are left, are left in other processes too.
constexpr std::uint64_t budget_of_sample = 2'000;  // nanoseconds
constexpr std::uint64_t budget_share = 100;
constexpr std::uint64_t free_of_budget = 1'000'000;  // a few samples at the begin
constexpr unsigned most_halvings = 12;

void keep_to_budget(ContentCosts& costs) {
    if (costs.spent > free_of_budget + costs.samples * budget_of_sample + costs.sample_wall / budget_share &&
        costs.halved < most_halvings) {
        costs = ContentCosts{0, 0, 0, costs.halved + 1};
    }
}

}  // namespace

Content content_of(PyObject* sample) {
    Hasher hasher;
    const bool known = hasher.visit(sample, 0);
    if (PyErr_Occurred() != nullptr) {
        if (PyErr_ExceptionMatches(PyExc_Exception) != 0 && !error_is_of_handler()) {
            PyErr_Clear();
        }
        return {1, hasher.bytes(), false};
    }
    return {hasher.hash(), hasher.bytes(), known};
}

bool is_looked_at(std::uint64_t index, unsigned halved) {
    constexpr std::uint64_t all = ~std::uint64_t{0};
    constexpr std::uint64_t first = 16, least = 64;
    std::uint64_t mixed = index + 0x9E3779B97F4A7C15U;  // the finaliser of SplitMix64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBU;
    mixed ^= mixed >> 31;
    const std::uint64_t below = index < first               ? all
                                : index < first * least - 1 ? all / (index + 1) * first
                                                            : all / least;
    return mixed <= below >> halved;
}

bool note_content(Thread* t, PyObject* index, PyObject* sample, std::uint64_t sample_wall) {
    ContentCosts& costs = t->content;
    ++costs.samples;
    costs.sample_wall += sample_wall;
    std::uint64_t number = 0;
    if (!number_of_index(index, &number) || !is_looked_at(number, costs.halved)) {
        return true;
    }
    const std::uint64_t begin = now();
    const Content content = content_of(sample);
    const std::uint64_t blocks = (content.bytes + 63) / 64;
    append(t, spool::Kind::content, begin, 0, number | blocks << 32, content.known ? content.hash : 0);
    const std::uint64_t spent = now() - begin;
    costs.spent += spent;
    t->header->self_ns += spent;
    t->batch.last_cpu = thread_cpu();
    keep_to_budget(costs);
    return PyErr_Occurred() == nullptr;
}

}  // namespace headrace::capture
