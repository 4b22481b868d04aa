// Looks at a running program from outside while it is being recorded: its Python stacks, its processes, its memory.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "headrace/run.h"

namespace headrace::audit {

class Watch {
public:
    // `spool` is the folder in which the program's threads open their spools; `root` is the command's process and
    // `started` its start.
    Watch(const std::filesystem::path& spool, std::uint32_t root, Nanoseconds started);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // How long until the next look: from 20 ms in a run's first seconds to 200 ms after minutes, longer where a look is
    // dear (it may take 1/400 of the time); varied, so that looks do not fall into step with the program.
    Nanoseconds pause() const;

    // Looks at what is due. Never fails: what cannot be read is left out, and the run's limits say so.
    void look();

    // Looks at the processes alone, when the command has ended and nobody has waited for it: what is exact then.
    void look_at_end();

    // Moves what was seen into the run, whose end is known.
    void finish(Run& run);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace headrace::audit
