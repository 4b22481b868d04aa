// What making a batch costs: called by the hooks around a fetch and the collation in it.
//
// Timing every sample of a set in memory would cost more than the sample. Where the samples of the last timed batch
// were short, a batch is light: timed as a whole, with the program's own dataset in the fetcher, and only one batch in
// 16 by its samples and bytes.
#pragma once

#include "capture/python.h"
//
#include "capture/spool_writer.h"

namespace headrace::capture {

// The hook of a fetcher's fetch.
struct FetchHook {
    PyObject* function;   // the fetcher's own bound method
    PyObject* timed;      // the TimedDataset or TimedIterator that stands in the fetcher while samples are timed
    bool* times_samples;  // whether it stands there now
};

// `index` is what the fetch is asked for: a list for a batch; may be null.
void begin_fetch(Thread* thread, std::uint64_t start, PyObject* index, const FetchHook& hook);
void end_fetch(Thread* thread, std::uint64_t start, std::uint64_t end);

// `samples` is what is collated; may be null.
void begin_collate(Thread* thread, PyObject* samples);
void end_collate(Thread* thread, std::uint64_t start, std::uint64_t end);

}  // namespace headrace::capture
