#include "input/gain.h"

namespace headrace::input {

Gain gain_of(const LoopUse& use, const replay::Loop& changed, double model_error) {
    const replay::Gain won = replay::gain(use.recorded, changed, {.replicates = 100, .model_error = model_error});
    return headrace::gain_of({won.ratio, won.low, won.high}, use.loop_seconds);
}

}  // namespace headrace::input
