// Hook: a callable that stands in for a function of the program's libraries, times the call and passes it on.
//
// It is written in C++ so that it has no Python frame: tracebacks, warnings and logging's caller look as without it.
// It looks like what it stands for: attributes, repr, class, signature and pickling are those of the original, and it
// binds to instances like a function. Any error of its own switches it off; the program never sees one.
#pragma once

#include "capture/python.h"
//
#include "run/spool_format.h"

namespace headrace::capture {

// Adds the types Hook, TimedDataset and TimedIterator to the module. -1 with a Python error set on failure.
int add_hook_types(PyObject* module);
int add_dataset_types(PyObject* module);

// What a TimedDataset or TimedIterator stands for; borrowed.
PyObject* untimed(PyObject* timed) noexcept;
bool is_timed_iterator(PyObject* timed) noexcept;

// Counts a failed hook and writes what failed into the spool; takes and clears the Python error that is set.
void report_disabled(const char* where);

// hook(function, kind, after=None, before=None, timed=None) of the module. Above its lowest 8 bits `kind` has what b of
// the records is. `timed` belongs to a fetch: the TimedDataset or TimedIterator that stands in its fetcher.
PyObject* make_hook(PyObject* module, PyObject* args, PyObject* kwargs);

// The method type (that of a bound Python method), which the stable ABI does not name. Borrowed; set once.
bool set_method_type(PyObject* type);

}  // namespace headrace::capture
