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

// At the load of the module. False with a Python error set on failure.
bool make_hook_types();

// A new reference to a hook that stands for a callable; null with a Python error set on failure.
PyObject* new_hook(PyObject* function, spool::Kind kind);

// What a hook stands for, borrowed; null where the object is no hook.
PyObject* hooked_function(PyObject* object) noexcept;

// Counts a failed hook and writes what failed into the spool; takes and clears the Python error that is set.
void report_disabled(const char* where);

// hook(function, kind, after=None, before=None) of the module. Above its lowest 8 bits `kind` has what b of the records
// is; of a fetch whether its fetcher has an iterator.
PyObject* make_hook(PyObject* module, PyObject* args, PyObject* kwargs);

// The method type (that of a bound Python method), which the stable ABI does not name. Borrowed; set once.
bool set_method_type(PyObject* type);

}  // namespace headrace::capture
