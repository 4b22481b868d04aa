#include "capture/hasher.h"

#include "capture/values.h"

namespace headrace::capture {
namespace {

constexpr unsigned most_objects = 20'000;  // of one sample

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

}  // namespace

PyObject* imported(const char* name) {
    PyObject* module = PyDict_GetItemString(PyImport_GetModuleDict(), name);
    return module != nullptr && Py_TYPE(module) == &PyModule_Type ? module : nullptr;
}

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

}  // namespace headrace::capture
