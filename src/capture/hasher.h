// Sums what a sample holds: see content.h for what is known.
#pragma once

#include "capture/python.h"
//
#include <cstdint>

#include "capture/xxh64.h"

namespace headrace::capture {

// A reference that is given back.
class Owned {
public:
    explicit Owned(PyObject* object) : object_(object) {}
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { Py_XDECREF(object_); }
    PyObject* get() const { return object_; }
    explicit operator bool() const { return object_ != nullptr; }

private:
    PyObject* object_;
};

// To keep what is borrowed: a look at a tensor gives up the interpreter's lock, and another thread may let go of it.
inline PyObject* held(PyObject* borrowed) {
    Py_XINCREF(borrowed);
    return borrowed;
}

// Of an imported module, borrowed; null where there is none, and for one that is imported when it is asked for
// something.
PyObject* imported(const char* name);

// So many bytes are summed at a time, so that what lies in pieces anyway has the same hash.
constexpr std::uint64_t piece = 16384;
constexpr int most_dimensions = 64;
constexpr int deepest = 16;  // of samples inside samples

// The sizes in a tuple of numbers; below 0: there are too many, or they are none.
int sizes_of(PyObject* tuple, Py_ssize_t* sizes);

// Every visit gives false where something is not known.
class Hasher {
public:
    bool visit(PyObject* object, int depth);
    std::uint64_t hash() const { return hash_ != 0 ? hash_ : 1; }
    std::uint64_t bytes() const { return bytes_; }

private:
    void word(std::uint64_t value) { hash_ = xxh64(&value, sizeof value, hash_); }
    void tag(char letter) { word(static_cast<unsigned char>(letter)); }
    void raw(const char* data, std::uint64_t length);
    bool text(PyObject* object);
    bool named(char letter, PyObject* object);
    bool number(PyObject* object);
    bool strided(const char* data, int dimensions, const Py_ssize_t* shape, const Py_ssize_t* strides, Py_ssize_t item);
    bool tensor(PyObject* object);
    bool array(char letter, PyObject* object);
    bool image(PyObject* object);
    bool pixels(PyObject* core, PyObject* mode, int width, int height);
    bool items(PyObject* sequence, int depth);
    bool dictionary(PyObject* object, int depth);
    bool tuple_of_type(PyObject* object, int depth);
    bool other(PyObject* object, int depth);
    bool room(std::uint64_t more) {
        bytes_ += more;
        return bytes_ <= most_bytes;
    }

    static constexpr std::uint64_t most_bytes = 256U << 20;  // of one sample

    std::uint64_t hash_ = 0;
    std::uint64_t bytes_ = 0;
    unsigned objects_ = 0;
};

}  // namespace headrace::capture
