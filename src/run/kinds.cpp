#include "run/kinds.h"

namespace headrace::run {

using spool::Kind;
using spool::TextKind;

// Switches without a default: a number that is added to spool_format.h and not named here does not compile.

// NOLINTNEXTLINE(readability-function-size): a flat table
KindText describe(Kind kind) noexcept {
    switch (kind) {
        case Kind::none:
            return {"none", "the end of what was written"};
        case Kind::text:
            return {"text", "text; a = bytes; b = text kind"};
        case Kind::interpreter:
            return {"interpreter", "moment: the shim began; a = ns that the shim took"};
        case Kind::import:
            return {"import", "interval: an outermost import"};
        case Kind::wait:
            return {"wait",
                    "interval: __next__ of a loader's iterator; a = iterator; b = batch index + 1 (0 without workers) "
                    "in the low 32 bits, tokens of the batch above; 2^64 - 1 when no batch came"};
        case Kind::iter:
            return {"iter", "interval: __iter__ of a DataLoader; a = loader; b = iterator"};
        case Kind::loader:
            return {"loader",
                    "moment: a loader was first used; text loader_config follows; a = loader; b = batch size, 0: none"};
        case Kind::worker:
            return {
                "worker",
                "moment, in the training process: a worker was started; a = iterator; b = worker number << 32 | pid"};
        case Kind::receive:
            return {"receive", "interval: a batch came out of the data queue; a = iterator; b = batch index + 1"};
        case Kind::fetch:
            return {"fetch", "interval: the fetcher, collate included; a = thread CPU ns; b = samples"};
        case Kind::brief_fetch:
            return {"brief_fetch",
                    "interval: a fetch that kept its core, collate included; a = ns of its collation; b = samples"};
        case Kind::fetch_samples:
            return {"fetch_samples",
                    "addition to fetch: duration is the wall time of all samples; a = CPU ns; b = run-queue ns"};
        case Kind::fetch_io:
            return {"fetch_io", "addition to fetch; a = bytes requested; b = bytes from storage"};
        case Kind::collate:
            return {"collate", "interval, inside the fetch; a = CPU ns; b = run-queue ns"};
        case Kind::sample:
            return {"sample", "interval: one sample out of each batch; a = CPU ns; b = its number in the batch"};
        case Kind::put:
            return {"put",
                    "moment: the worker handed a batch to its queue; a = 1: it is none, its samples are at their end; "
                    "b = batch index + 1"};
        case Kind::send:
            return {"send",
                    "interval: the feeder thread wrote a batch into the pipe; a = bytes; b = CPU ns of the thread so "
                    "far, 0: not known"};
        case Kind::cpu:
            return {"cpu",
                    "addition to fetch: its CPU time as the kernel divides it, which moves in ticks: only sums are "
                    "right; a = user ns; b = system ns"};
        case Kind::forward:
            return {"forward", "interval: the outermost module call; a = module"};
        case Kind::backward:
            return {"backward", "interval: autograd"};
        case Kind::optimizer:
            return {"optimizer", "interval: step of an optimizer; a = optimizer"};
        case Kind::checkpoint:
            return {"checkpoint", "interval: a checkpoint was written"};
        case Kind::logging:
            return {"logging", "interval: a logging call"};
        case Kind::train_mode:
            return {"train_mode", "moment: outermost Module.train(mode); a = module; b = mode"};
        case Kind::device_wait:
            return {"device_wait", "interval: the host waited for an accelerator"};
        case Kind::transfer:
            return {"transfer", "interval: copy from host to device"};
        case Kind::pin:
            return {"pin", "interval: pinning of a batch"};
        case Kind::sync:
            return {"sync", "interval: an explicit collective or barrier"};
        case Kind::teardown:
            return {"teardown", "moment: the interpreter began to shut down"};
        case Kind::stopped:
            return {"stopped", "moment: recording ended by --max-steps"};
        case Kind::memory:
            return {"memory", "moment; a = peak bytes on the device"};
        case Kind::resume:
            return {"resume", "moment: a persistent worker began another epoch"};
        case Kind::worker_begin:
            return {"worker_begin", "moment, in a worker; a = worker number; b = number of workers"};
        case Kind::handover:
            return {"handover", "interval: a queue.Queue or a Future gave an item; a = which one; b = 1: a Future"};
        case Kind::group:
            return {"group", "moment: the process joined the other ranks; a = rank; b = their number"};
        case Kind::phase:
            return {"phase", "interval: a part that the program marked itself; text phase_name follows"};
        case Kind::thread_cpu:
            return {"thread_cpu",
                    "moment, before and after a wait; a = CPU ns of the thread so far; b = its run-queue ns so far"};
        case Kind::process_cpu:
            return {"process_cpu", "addition to thread_cpu; a = CPU ns of all threads of the process so far"};
        case Kind::content:
            return {"content",
                    "moment: a sample was hashed; a = its index in the low 32 bits, its size in units of 64 bytes "
                    "above; b = "
                    "the hash of what it holds, 0: not known"};
        case Kind::failed:
            return {"failed",
                    "of the wait before, which an exception ended; a = iterator; b = index + 1 of the batch that could "
                    "not be made, or of one that had come before"};
        case Kind::step:
            return {"step", "moment: the program marked the end of a step itself"};
    }
    return {};
}

KindText describe(TextKind kind) noexcept {
    switch (kind) {
        case TextKind::program:
            return {"program", "JSON: argv, executable, Python version"};
        case TextKind::import_name:
            return {"import_name", "the module of the import before"};
        case TextKind::loader_config:
            return {"loader_config", "JSON: batch_size, workers, prefetch_factor, persistent, method, ..."};
        case TextKind::framework:
            return {"framework", "for example torch 2.13.0"};
        case TextKind::disabled:
            return {"disabled", "a hook that was switched off, and why"};
        case TextKind::limit:
            return {"limit", "a sentence for the report's limits"};
        case TextKind::thread:
            return {"thread", "decimal tid: from here on the file belongs to another thread of the process"};
        case TextKind::phase_name:
            return {"phase_name", "the name of the phase before"};
    }
    return {};
}

}  // namespace headrace::run
