#include "capture/content.h"

#include <string.h>

#include <initializer_list>

#include "capture/costs.h"
#include "capture/handlers.h"
#include "capture/hook.h"
#include "capture/xxh64.h"

namespace headrace::capture {
namespace {

constexpr int deepest = 16;                               // of samples inside samples
constexpr unsigned most_objects = 20'000;                 // of one sample
constexpr std::uint64_t most_bytes = 256U << 20;          // likewise
constexpr std::uint64_t most_hashed_index = 0xffffffffU;  // that a record can hold
constexpr std::uint64_t most_pieces = 2'000'000;          // that one array lies in
constexpr int most_dimensions = 64;

PyObject* strided_layout = nullptr;

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
PyObject* held(PyObject* borrowed) {
    Py_XINCREF(borrowed);
    return borrowed;
}

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

// Of an imported module, borrowed; null where there is none, and for one that is imported when it is asked for
// something.
PyObject* imported(const char* name) {
    PyObject* module = PyDict_GetItemString(PyImport_GetModuleDict(), name);
    return module != nullptr && Py_TYPE(module) == &PyModule_Type ? module : nullptr;
}

// Whether asking a class for an attribute runs nothing but Python's own code: that of an enumeration may run more.
bool is_plain_class(PyTypeObject* type) {
    return PyType_GetSlot(Py_TYPE(type), Py_tp_getattro) == PyType_GetSlot(&PyType_Type, Py_tp_getattro);
}

// Whether a class, or one that it comes from, has something of that name of its own. Its value is not asked for, which
// may run code.
bool has_of_its_own(PyTypeObject* type, const char* name) {
    const Owned order(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__mro__"));
    if (!order || !PyTuple_CheckExact(order.get())) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_Size(order.get()); ++i) {
        auto* from = reinterpret_cast<PyTypeObject*>(PyTuple_GetItem(order.get(), i));
        const Owned own(is_plain_class(from) ? PyObject_GetAttrString(reinterpret_cast<PyObject*>(from), "__dict__")
                                             : nullptr);
        if (own && PyMapping_HasKeyString(own.get(), name) != 0) {
            return true;
        }
    }
    return false;
}

// Whether all that an object holds is in its dictionary: its class comes from object by Python's classes without slots.
bool holds_only_its_dictionary(PyTypeObject* type) {
    for (PyTypeObject* at = type; at != &PyBaseObject_Type;
         at = static_cast<PyTypeObject*>(PyType_GetSlot(at, Py_tp_base))) {
        if (at == nullptr || (PyType_GetFlags(at) & Py_TPFLAGS_HEAPTYPE) == 0 || !is_plain_class(at)) {
            return false;
        }
    }
    return !has_of_its_own(type, "__slots__");
}

bool is_of(PyObject* object, PyObject* type) {
    return type != nullptr && reinterpret_cast<PyObject*>(Py_TYPE(object)) == type;
}

// Sums what a sample holds. Every visit gives false where something is not known.
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

    std::uint64_t hash_ = 0;
    std::uint64_t bytes_ = 0;
    unsigned objects_ = 0;
};

// In pieces of one size, so that what lies in pieces anyway has the same hash.
constexpr std::uint64_t piece = 16384;

void Hasher::raw(const char* data, std::uint64_t length) {
    for (std::uint64_t done = 0; done < length; done += piece) {
        const std::uint64_t left = length - done;
        hash_ = xxh64(data + done, left < piece ? left : piece, hash_);
    }
}

bool Hasher::text(PyObject* object) {
    const Py_ssize_t letters = PyUnicode_GetLength(object);
    if (letters < 0 || bytes_ + static_cast<std::uint64_t>(letters) > most_bytes) {
        return false;
    }
    // Not its own UTF-8, which it would keep.
    const Owned bytes(PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass"));
    char* data = nullptr;
    Py_ssize_t length = 0;
    if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &length) != 0) {
        return false;
    }
    word(static_cast<std::uint64_t>(length));
    if (!room(static_cast<std::uint64_t>(length))) {
        return false;
    }
    raw(data, static_cast<std::uint64_t>(length));
    return true;
}

// A tag and the full name of an object's type.
bool Hasher::named(char letter, PyObject* object) {
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(object));
    const Owned module(PyObject_GetAttrString(type, "__module__")), name(PyObject_GetAttrString(type, "__qualname__"));
    tag(letter);
    return module && name && PyUnicode_Check(module.get()) && PyUnicode_Check(name.get()) && text(module.get()) &&
           text(name.get());
}

bool Hasher::number(PyObject* object) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) {
        tag('i');
        word(static_cast<std::uint64_t>(value));
        return room(8);
    }
    tag('I');
    const Owned digits(PyNumber_ToBase(object, 16));
    return digits && text(digits.get());
}

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

bool is_false(PyObject* object, const char* attribute) {
    const Owned value(PyObject_GetAttrString(object, attribute));
    return value.get() == Py_False;
}

bool says_false(PyObject* object, const char* method) {
    const Owned value(PyObject_CallMethod(object, method, nullptr));
    return value.get() == Py_False;
}

// The sizes in a tuple of numbers; below 0: there are too many, or they are none.
int sizes_of(PyObject* tuple, Py_ssize_t* sizes) {
    if (tuple == nullptr || !PyTuple_Check(tuple) || PyTuple_Size(tuple) > most_dimensions) {
        return -1;
    }
    const auto count = static_cast<int>(PyTuple_Size(tuple));
    for (int i = 0; i < count; ++i) {
        PyObject* size = PyTuple_GetItem(tuple, i);
        if (!PyLong_CheckExact(size)) {
            return -1;
        }
        sizes[i] = PyLong_AsSsize_t(size);
    }
    return count;
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

// Arrays of numbers, texts and times. Not of objects and records; nor of long doubles, part of whose bytes says
// nothing.
bool is_known_dtype(const char* name, Py_ssize_t length) {
    return length >= 3 && strchr("biufcSUMm", name[1]) != nullptr && strcmp(name + 1, "f16") != 0 &&
           strcmp(name + 1, "c32") != 0;
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

// Those without a palette, whose bytes are what they show.
bool is_known_mode(PyObject* mode) {
    for (const char* known : {"1", "L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"}) {
        if (PyUnicode_CompareWithASCIIString(mode, known) == 0) {
            return true;
        }
    }
    return false;
}

// What Image.tobytes does, without its Python code.
bool Hasher::pixels(PyObject* core, PyObject* mode, int width, int height) {
    PyObject* imaging = imported("PIL._imaging");
    const Owned encoder(imaging != nullptr ? PyObject_CallMethod(imaging, "raw_encoder", "OO", mode, mode) : nullptr);
    const Owned set(encoder ? PyObject_CallMethod(encoder.get(), "setimage", "O(iiii)", core, 0, 0, width, height)
                            : nullptr);
    if (!set) {
        return false;
    }
    const int row = width < (1 << 28) ? 4 * width : 0;  // the encoder wants room for one
    for (;;) {
        const Owned part(PyObject_CallMethod(encoder.get(), "encode", "i", row > 1 << 16 ? row : 1 << 16));
        if (!part || !PyTuple_Check(part.get()) || PyTuple_Size(part.get()) != 3) {
            return false;
        }
        char* data = nullptr;
        Py_ssize_t length = 0;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(part.get(), 2), &data, &length) != 0) {
            return false;
        }
        raw(data, static_cast<std::uint64_t>(length));
        const long done = PyLong_AsLong(PyTuple_GetItem(part.get(), 1));
        if (done < 0 || !room(static_cast<std::uint64_t>(length))) {
            return false;
        }
        if (done != 0) {
            return true;
        }
    }
}

// Whether an image has no attributes but Pillow's own: others may differ where its pixels do not.
bool has_known_fields(PyObject* fields) {
    PyObject *name = nullptr, *value = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(fields, &at, &name, &value) != 0;) {
        bool known = false;
        for (const char* one :
             {"_im", "im", "_mode", "mode", "_size", "size", "palette", "info", "readonly", "_readonly", "pyaccess",
              "_exif", "category", "_category", "encoderinfo", "encoderconfig"}) {
            known = known || (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, one) == 0);
        }
        if (!known) {
            return false;
        }
    }
    return true;
}

bool Hasher::image(PyObject* object) {
    const Owned fields(PyObject_GenericGetDict(object, nullptr));
    if (!fields || !has_known_fields(fields.get())) {
        return false;
    }
    PyObject* core = PyDict_GetItemString(fields.get(), "_im");  // borrowed; in earlier releases without the line
    core = core != nullptr ? core : PyDict_GetItemString(fields.get(), "im");
    PyObject* information = PyDict_GetItemString(fields.get(), "info");
    if (core == nullptr || core == Py_None || information == nullptr) {
        return false;
    }
    const Owned mode(PyObject_GetAttrString(core, "mode")), size(PyObject_GetAttrString(core, "size"));
    if (!mode || !size || !PyUnicode_Check(mode.get()) || !is_known_mode(mode.get())) {
        return false;
    }
    Py_ssize_t sizes[most_dimensions];
    if (sizes_of(size.get(), sizes) != 2) {
        return false;
    }
    tag('p');
    word(static_cast<std::uint64_t>(sizes[0]));
    word(static_cast<std::uint64_t>(sizes[1]));
    if (!text(mode.get()) || !visit(information, deepest - 4)) {
        return false;
    }
    return sizes[0] == 0 || sizes[1] == 0 ||
           pixels(core, mode.get(), static_cast<int>(sizes[0]), static_cast<int>(sizes[1]));
}

bool Hasher::items(PyObject* sequence, int depth) {
    const bool list = PyList_Check(sequence);
    const Py_ssize_t count = list ? PyList_Size(sequence) : PyTuple_Size(sequence);
    word(static_cast<std::uint64_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (list && PyList_Size(sequence) != count) {  // another thread changed it
            return false;
        }
        const Owned item(held(list ? PyList_GetItem(sequence, i) : PyTuple_GetItem(sequence, i)));
        if (!item || !visit(item.get(), depth + 1)) {
            return false;
        }
    }
    return true;
}

bool Hasher::dictionary(PyObject* object, int depth) {
    const Py_ssize_t count = PyDict_Size(object);
    word(static_cast<std::uint64_t>(count));
    PyObject *borrowed_key = nullptr, *borrowed_value = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(object, &at, &borrowed_key, &borrowed_value) != 0;) {
        const Owned key(held(borrowed_key)), value(held(borrowed_value));
        if (!visit(key.get(), depth + 1) || !visit(value.get(), depth + 1) || PyDict_Size(object) != count) {
            return false;  // not known, or another thread changed it
        }
    }
    return true;
}

// A named tuple, which has nothing but its items.
bool Hasher::tuple_of_type(PyObject* object, int depth) {
    if (!is_plain_class(Py_TYPE(object)) || !has_of_its_own(Py_TYPE(object), "_fields")) {
        return false;
    }
    const Owned more(PyObject_GenericGetDict(object, nullptr));
    PyErr_Clear();
    return (!more || PyDict_Size(more.get()) == 0) && named('n', object) && items(object, depth);
}

// Of NumPy, Pillow or the program.
bool Hasher::other(PyObject* object, int depth) {
    if (PyObject* numpy = imported("numpy"); numpy != nullptr) {
        const Owned array_type(PyObject_GetAttrString(numpy, "ndarray")),
            scalar(PyObject_GetAttrString(numpy, "generic"));
        if (array_type && is_of(object, array_type.get())) {
            return array('a', object);
        }
        if (scalar && PyType_Check(scalar.get()) &&
            PyType_IsSubtype(Py_TYPE(object), reinterpret_cast<PyTypeObject*>(scalar.get())) != 0) {
            return array('s', object);
        }
    }
    if (PyObject* pillow = imported("PIL.Image"); pillow != nullptr) {
        const Owned type(PyObject_GetAttrString(pillow, "Image"));
        if (type && is_of(object, type.get())) {
            return image(object);
        }
    }
    PyErr_Clear();
    if (!is_plain_class(Py_TYPE(object))) {
        return false;
    }
    const bool plain =
        has_of_its_own(Py_TYPE(object), "__dataclass_fields__") && holds_only_its_dictionary(Py_TYPE(object));
    const Owned values(plain ? PyObject_GenericGetDict(object, nullptr) : nullptr);
    return values && PyDict_CheckExact(values.get()) && named('c', object) && dictionary(values.get(), depth);
}

// NOLINTNEXTLINE(readability-function-size): one line a type
bool Hasher::visit(PyObject* object, int depth) {
    if (depth > deepest || ++objects_ > most_objects) {
        return false;
    }
    if (object == Py_None || object == Py_True || object == Py_False) {
        tag(object == Py_None ? '0' : object == Py_True ? '+' : '-');
        return room(1);
    }
    if (PyLong_CheckExact(object)) {
        return number(object);
    }
    if (PyFloat_CheckExact(object)) {
        const double value = PyFloat_AsDouble(object);
        tag('f');
        raw(reinterpret_cast<const char*>(&value), sizeof value);
        return room(8);
    }
    if (PyComplex_CheckExact(object)) {
        const double values[] = {PyComplex_RealAsDouble(object), PyComplex_ImagAsDouble(object)};
        tag('z');
        raw(reinterpret_cast<const char*>(values), sizeof values);
        return room(16);
    }
    if (PyUnicode_CheckExact(object)) {
        tag('u');
        return text(object);
    }
    if (PyBytes_CheckExact(object) || PyByteArray_CheckExact(object)) {
        const bool fixed = PyBytes_CheckExact(object);
        const Py_ssize_t length = fixed ? PyBytes_Size(object) : PyByteArray_Size(object);
        tag(fixed ? 'b' : 'B');
        word(static_cast<std::uint64_t>(length));
        if (!room(static_cast<std::uint64_t>(length))) {
            return false;
        }
        raw(fixed ? PyBytes_AsString(object) : PyByteArray_AsString(object), static_cast<std::uint64_t>(length));
        return true;
    }
    if (PyTuple_CheckExact(object) || PyList_CheckExact(object)) {
        tag(PyTuple_CheckExact(object) ? '(' : '[');
        return items(object, depth);
    }
    if (PyDict_CheckExact(object)) {
        tag('{');
        return dictionary(object, depth);
    }
    if (PyTuple_Check(object)) {
        return tuple_of_type(object, depth);
    }
    return is_plain_tensor(object) ? tensor(object) : other(object, depth);
}

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

void set_strided_layout(PyObject* layout) {
    Py_INCREF(layout);
    strided_layout = layout;
}

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
