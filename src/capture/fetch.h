// What making a batch costs: called by the hooks around a fetch and the collation in it.
//
// Timing every sample of a set in memory would cost more than the sample. Where the samples of the last timed batch
// were short, a batch is light: timed as a whole, with the program's own dataset in the fetcher, and only one batch in
// 16 by its samples and bytes. Of these runs of 16 one that was brief lets the next be brief: the kernel is asked
// nothing. Where none was slow ever since, the next is quick: its collations have the share that the first one's had. A
// slow batch does not tell whether its samples or its collation was slow, so from then on they are timed.
#pragma once

#include "capture/python.h"
//
#include "capture/spool_writer.h"

namespace headrace::capture {

// `fetcher` is torch's, over an iterator or not; `index` what it is asked for, a list for a batch. Both may be null.
// False: the collation need not be timed.
bool begin_fetch(Thread* thread, std::uint64_t start, PyObject* fetcher, PyObject* index, bool of_iterator);
void end_fetch(Thread* thread, std::uint64_t start, std::uint64_t end);

// A loader begins another pass, with a fetcher of its own: one that lies where another did is not that one.
void forget_paces(Thread* thread);

// `samples` is what is collated; may be null.
void begin_collate(Thread* thread, PyObject* samples);
void end_collate(Thread* thread, std::uint64_t start, std::uint64_t end);

}  // namespace headrace::capture
