// What a sample holds, as a hash: whether making it anew gave the same sample tells whether the work was needed.
//
// Known are torch's own strided CPU tensors, arrays and scalars of NumPy, images of Pillow, bytes, bytearray, str, int,
// float, complex, bool, None, and tuple, list, dict, named tuples and dataclasses of these. The hash is that of types,
// dtypes, shapes and values: two samples have the same one where these are equal bit by bit, the order of the keys of a
// dict included; strides and what shares memory with what do not count. Everything else is not known: tensors that
// require gradients or are sparse, quantised, conjugated or of a subclass, arrays of objects or of records, images with
// a palette or that have not been decoded, subclasses of what is known.
//
// Nothing is imported, no Python code runs, no object is changed and no reference stays.
#pragma once

#include "capture/python.h"
//
#include "capture/spool_writer.h"

namespace headrace::capture {

struct Content {
    std::uint64_t hash;  // never 0
    std::uint64_t bytes;
    bool known;
};

// Leaves no Python error, unless a handler of a signal raised it.
Content content_of(PyObject* sample);

// Torch's own strided layout, to know plain tensors by; see also set_tensor_type of hook.h.
void set_strided_layout(PyObject* layout);

// Whether the sample of this index is one of those that are looked at, in every process and pass alike: of the first 16
// each, of index i later on 16 / (i + 1), and never less than a 64th. `halved`: so many times half of them.
bool is_looked_at(std::uint64_t index, unsigned halved);

// Hashes the sample if it is one of them, and records it. False with the error of a handler of a signal set.
bool note_content(Thread* thread, PyObject* index, PyObject* sample, std::uint64_t sample_wall);

}  // namespace headrace::capture
