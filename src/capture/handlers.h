// Whose error it is that was raised in the middle of our own work.
#pragma once

#include "capture/python.h"

namespace headrace::capture {

// Whether a handler of a signal raised what has this traceback (borrowed, null for none). Python runs handlers in the
// middle of whatever it is doing, also of a hook's notice or of a finder: such an error is the program's, which wants
// to be interrupted, and must reach it. A handler is known by its argument: the frame that was interrupted, which is
// the one before its own. Changes no error that is set.
bool raised_by_handler(PyObject* traceback);

// The same of the error that is set.
bool error_is_of_handler();

}  // namespace headrace::capture
