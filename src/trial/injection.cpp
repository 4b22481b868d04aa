#include "trial/injection.h"

namespace headrace::trial {
namespace {

std::string escaped(std::string_view text) {
    std::string line;
    for (const char c : text) {
        if (c == '%') {
            line += "%25";
        } else if (c == '\n') {
            line += "%0A";
        } else {
            line += c;
        }
    }
    return line;
}

void add(std::string& text, std::string_view name, std::string_view value) { text += injection_line(name, value); }

template <class T>
void add(std::string& text, std::string_view name, const std::optional<T>& value) {
    if (value) add(text, name, std::to_string(*value));
}

}  // namespace

std::string injection_line(std::string_view name, std::string_view value) {
    return std::string(name) + "=" + escaped(value) + "\n";
}

std::string injection_of(const LoaderSite* loader, const Fix& fix) {
    std::string text;
    if (loader != nullptr) {
        add(text, "file", loader->file);
        add(text, "line", std::to_string(loader->line));
        add(text, "sampler", loader->sampler);
        add(text, "workers", fix.workers);
        add(text, "prefetch_factor", fix.prefetch_factor);
        add(text, "persistent_workers", fix.persistent_workers);
        add(text, "batch_size", fix.batch_size);
        add(text, "cache_bytes", fix.cache_bytes);
    }
    add(text, "threads", fix.threads);
    if (fix.precision) add(text, "precision", std::string_view(*fix.precision));
    return text;
}

}  // namespace headrace::trial
