// What stands in a fetcher for the program's dataset, or the iterator over it, and for its collate_fn, while one batch
// is fetched: they sum what the samples and the collation cost. Before and after the fetch the fetcher is as the
// program and torch made it, and nothing of ours keeps it or what it holds alive.
#pragma once

#include "capture/python.h"

namespace headrace::capture {

struct StandIns {
    PyObject* fetcher;       // borrowed: an argument of the call that is timed
    PyObject* samples_name;  // of the attribute, borrowed
    PyObject* samples;       // owned; null where the samples are not timed
    PyObject* collate;       // owned; null where it could not be put in
};

// Leaves no Python error behind; what cannot be put in is left as it was. `fetcher` may be null.
StandIns put_in(PyObject* fetcher, bool of_iterator, bool time_samples);

// Keeps the Python error that is set.
void take_out(const StandIns& stand_ins);

// At the load of the module. False with a Python error set on failure.
bool make_stand_in_types();

}  // namespace headrace::capture
