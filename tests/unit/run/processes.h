// Several processes that do the same at once.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace headrace::run {

// Forks so many processes, each of which does `work` with its number; of how many it came out true.
template <class Work>
int processes_that_succeed(int processes, Work work) {
    for (int number = 0; number < processes; ++number) {
        if (::fork() == 0) ::_exit(work(number) ? 0 : 1);
    }
    int good = 0;
    for (int number = 0; number < processes; ++number) {
        int status = 0;
        good += ::wait(&status) > 0 && status == 0 ? 1 : 0;
    }
    return good;
}

}  // namespace headrace::run
