// Images of Pillow.
#include "capture/hasher.h"

namespace headrace::capture {
namespace {

// Without a palette, so that its bytes are what an image shows.
constexpr const char* known_modes[] = {"1",     "L",   "LA",  "RGB", "RGBA", "RGBX", "CMYK",
                                       "YCbCr", "HSV", "LAB", "I",   "F",    "I;16"};

// Pillow's own: other attributes of an image may differ where its pixels do not.
constexpr const char* known_fields[] = {"_im",      "im",        "_mode",       "mode",         "_size",    "size",
                                        "palette",  "info",      "readonly",    "_readonly",    "pyaccess", "_exif",
                                        "category", "_category", "encoderinfo", "encoderconfig"};

template <int Count>
bool is_one_of(PyObject* text, const char* const (&names)[Count]) {
    for (const char* name : names) {
        if (PyUnicode_Check(text) && PyUnicode_CompareWithASCIIString(text, name) == 0) {
            return true;
        }
    }
    return false;
}

bool has_known_fields(PyObject* fields) {
    PyObject *name = nullptr, *value = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(fields, &at, &name, &value) != 0;) {
        if (!is_one_of(name, known_fields)) {
            return false;
        }
    }
    return true;
}

}  // namespace

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
    if (!mode || !size || !is_one_of(mode.get(), known_modes)) {
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

}  // namespace headrace::capture
