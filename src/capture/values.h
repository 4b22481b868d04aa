// What the program's iterators, batches and tensors tell of themselves without running the program's own code. Each
// leaves no Python error.
#pragma once

#include "capture/python.h"
//
#include <cstdint>

namespace headrace::capture {

// At the load of the module. False with a Python error set on failure.
bool make_value_names();

// How to tell a torch.Tensor: the type itself, and torch's function that tells how many of the program's function modes
// would see a call.
void set_tensor_type(PyObject* type, PyObject* modes);

// Whether calling a method of this object runs nothing but torch's own code.
bool is_plain_tensor(PyObject* object);

// Whether it is a tensor that lies on no device. One that cannot be asked without running the program's code may.
bool is_on_host(PyObject* object);

// The index + 1 of the batch that a worker's iterator has just handed out, where it does not keep their order the one
// that it received last; 0 without workers. `iterator` is null where it was given by its keyword.
std::uint64_t batch_number(PyObject* iterator, std::uint64_t last_received);

// Tokens in a batch that is a dictionary with a tensor input_ids, as language models' loaders make them; 0 for any
// other.
std::uint64_t token_count(PyObject* batch);

// The index + 1 of (index, data), as workers put it into their queue; 0 for anything else.
std::uint64_t number_of_pair(PyObject* pair);

// Whether it is what a worker hands over when its part of an iterable dataset is at its end.
bool is_end_of_samples(PyObject* data);

}  // namespace headrace::capture
