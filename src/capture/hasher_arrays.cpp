// Tensors of torch and arrays of NumPy.
#include "capture/content.h"
//
#include <string.h>

#include "capture/hasher.h"

namespace headrace::capture {
namespace {

constexpr std::uint64_t most_pieces = 2'000'000;  // that one array lies in

PyObject* strided_layout = nullptr;

// What numpy's __array_struct__ points to: its array interface protocol, version 3.
struct ArrayInterface {
    int two;
    int dimensions;
    char kind;
    int item_bytes;
    int flags;
    Py_ssize_t* shape;
    Py_ssize_t* strides;  // in bytes
    void* data;
    PyObject* description;
};

// The elements in the order of their indices, however they lie.
class Pieces {
public:
    explicit Pieces(std::uint64_t& hash) : hash_(hash) {}
    void add(const char* data, std::uint64_t length) {
        while (length > 0) {
            const std::uint64_t free = piece - used_, part = length < free ? length : free;
            memcpy(buffer_ + used_, data, part);
            used_ += part;
            data += part;
            length -= part;
            if (used_ == piece) {
                flush();
            }
        }
    }
    void flush() {
        if (used_ > 0) {
            hash_ = xxh64(buffer_, used_, hash_);
        }
        used_ = 0;
    }

private:
    std::uint64_t& hash_;
    std::uint64_t used_ = 0;
    char buffer_[piece];
};

bool is_false(PyObject* object, const char* attribute) {
    const Owned value(PyObject_GetAttrString(object, attribute));
    return value.get() == Py_False;
}

bool says_false(PyObject* object, const char* method) {
    const Owned value(PyObject_CallMethod(object, method, nullptr));
    return value.get() == Py_False;
}

long long number_of(PyObject* object, const char* method) {
    const Owned value(PyObject_CallMethod(object, method, nullptr));
    return value && PyLong_CheckExact(value.get()) ? PyLong_AsLongLong(value.get()) : -1;
}

// Whether the values of a plain tensor are what lies in memory.
bool has_plain_memory(PyObject* tensor) {
    const Owned layout(PyObject_GetAttrString(tensor, "layout")), cpu(PyObject_GetAttrString(tensor, "is_cpu"));
    return layout && layout.get() == strided_layout && cpu.get() == Py_True && is_false(tensor, "requires_grad") &&
           is_false(tensor, "is_quantized") && says_false(tensor, "is_conj") && says_false(tensor, "is_neg");
}

// Whether memory is there for all elements of a tensor: its storage may have been made smaller than its shape says.
bool has_memory(PyObject* tensor, const char* data, int dimensions, const Py_ssize_t* sizes, const Py_ssize_t* strides,
                Py_ssize_t item) {
    Py_ssize_t end = item;  // behind the last element; strides of tensors are not below 0
    for (int i = 0; i < dimensions; ++i) {
        Py_ssize_t more = 0;
        if (sizes[i] == 0) {
            return true;
        }
        if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &more) || __builtin_add_overflow(end, more, &end)) {
            return false;
        }
    }
    const Owned storage(PyObject_CallMethod(tensor, "untyped_storage", nullptr));
    if (!storage) {  // before torch 2.0
        PyErr_Clear();
        return data != nullptr;
    }
    const Owned begin(PyObject_CallMethod(storage.get(), "data_ptr", nullptr));
    const long long bytes = number_of(storage.get(), "nbytes");
    const auto* first = static_cast<const char*>(begin ? PyLong_AsVoidPtr(begin.get()) : nullptr);
    return first != nullptr && data >= first && bytes >= 0 && data - first <= bytes - end;
}

// Arrays of numbers, texts and times. Not of objects and records; nor of long doubles, part of whose bytes says
// nothing.
bool is_known_dtype(const char* name, Py_ssize_t length) {
    return length >= 3 && strchr("biufcSUMm", name[1]) != nullptr && strcmp(name + 1, "f16") != 0 &&
           strcmp(name + 1, "c32") != 0;
}

}  // namespace

void set_strided_layout(PyObject* layout) {
    Py_INCREF(layout);
    strided_layout = layout;
}

bool Hasher::strided(const char* data, int dimensions, const Py_ssize_t* shape, const Py_ssize_t* strides,
                     Py_ssize_t item) {
    if (dimensions < 0 || dimensions > most_dimensions || item <= 0) {
        return false;
    }
    std::uint64_t length = static_cast<std::uint64_t>(item);
    bool in_order = true;
    word(static_cast<std::uint64_t>(dimensions));
    for (int i = dimensions - 1; i >= 0; --i) {
        in_order = in_order && (shape[i] == 1 || strides[i] == static_cast<Py_ssize_t>(length));
        if (shape[i] < 0 || __builtin_mul_overflow(length, static_cast<std::uint64_t>(shape[i]), &length)) {
            return false;
        }
        word(static_cast<std::uint64_t>(shape[i]));
    }
    if (!room(length)) {
        return false;
    }
    if (length == 0 || in_order) {
        raw(data, length);
        return true;
    }
    const int last = dimensions - 1;
    const bool runs = strides[last] == item;
    if (length / static_cast<std::uint64_t>(runs ? shape[last] * item : item) > most_pieces) {
        return false;
    }
    Pieces pieces(hash_);
    Py_ssize_t at[most_dimensions] = {};
    for (int i = last; i >= 0;) {
        if (runs) {
            pieces.add(data, static_cast<std::uint64_t>(shape[last] * item));
        } else {
            for (Py_ssize_t j = 0; j < shape[last]; ++j) {
                pieces.add(data + j * strides[last], static_cast<std::uint64_t>(item));
            }
        }
        for (i = last - 1; i >= 0; --i) {  // on to the next row
            data += strides[i];
            if (++at[i] < shape[i]) {
                break;
            }
            data -= shape[i] * strides[i];
            at[i] = 0;
        }
    }
    pieces.flush();
    return true;
}

bool Hasher::tensor(PyObject* object) {
    if (strided_layout == nullptr || !has_plain_memory(object)) {
        return false;
    }
    const Owned more(PyObject_GenericGetDict(object, nullptr));
    PyErr_Clear();
    if (more && PyDict_Size(more.get()) > 0) {  // attributes of its own
        return false;
    }
    const Owned dtype(PyObject_GetAttrString(object, "dtype")), shape(PyObject_GetAttrString(object, "shape"));
    const Owned name(dtype ? PyObject_Str(dtype.get()) : nullptr);
    const Owned steps(PyObject_CallMethod(object, "stride", nullptr));
    Py_ssize_t sizes[most_dimensions], strides[most_dimensions];
    const int dimensions = sizes_of(shape.get(), sizes);
    const long long item = number_of(object, "element_size");
    const Owned address(PyObject_CallMethod(object, "data_ptr", nullptr));
    if (!name || !address || dimensions < 0 || sizes_of(steps.get(), strides) != dimensions || item <= 0) {
        return false;
    }
    for (int i = 0; i < dimensions; ++i) {
        strides[i] *= item;
    }
    const auto* data = static_cast<const char*>(PyLong_AsVoidPtr(address.get()));
    tag('t');
    return has_memory(object, data, dimensions, sizes, strides, item) && text(name.get()) &&
           strided(data, dimensions, sizes, strides, item);
}

bool Hasher::array(char letter, PyObject* object) {
    const Owned dtype(PyObject_GetAttrString(object, "dtype"));
    const Owned name(dtype ? PyObject_GetAttrString(dtype.get(), "str") : nullptr);
    const Owned ascii(name && PyUnicode_Check(name.get()) ? PyUnicode_AsASCIIString(name.get()) : nullptr);
    char* letters = nullptr;
    Py_ssize_t length = 0;
    if (!ascii || PyBytes_AsStringAndSize(ascii.get(), &letters, &length) != 0 || !is_known_dtype(letters, length)) {
        return false;
    }
    const Owned capsule(PyObject_GetAttrString(object, "__array_struct__"));
    if (!capsule || PyCapsule_IsValid(capsule.get(), nullptr) == 0) {
        return false;
    }
    const auto* interface = static_cast<const ArrayInterface*>(PyCapsule_GetPointer(capsule.get(), nullptr));
    tag(letter);
    word(static_cast<std::uint64_t>(length));
    raw(letters, static_cast<std::uint64_t>(length));
    if (interface->item_bytes == 0) {  // texts that are all empty
        return false;
    }
    return interface->two == 2 && strided(static_cast<const char*>(interface->data), interface->dimensions,
                                          interface->shape, interface->strides, interface->item_bytes);
}

}  // namespace headrace::capture
