#include "input/storage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <thread>

#include "stats/quantile.h"
#include "sys/descriptor.h"

namespace headrace::input {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t fewest_files = 4, most_files = 512;
constexpr double still_cached = 0.1;  // of the pages, at which dropping them has not worked

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The time of its last access is the user's, where the file is theirs.
sys::Descriptor open_file(const fs::path& path) {
    sys::Descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOATIME));
    if (!opened) opened.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return opened;
}

struct File {
    fs::path path;
    std::uint64_t bytes = 0;
};

// Bytes that were read, of a large file only the first ones; none where it cannot be.
std::optional<std::uint64_t> read_file(const File& file) {
    const sys::Descriptor opened = open_file(file.path);
    if (!opened) return std::nullopt;
    static thread_local std::array<char, 1 << 18> buffer;
    std::uint64_t bytes = 0;
    while (bytes < file.bytes) {
        const ssize_t got =
            ::read(opened.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), file.bytes - bytes));
        if (got < 0) return std::nullopt;
        if (got == 0) break;
        bytes += static_cast<std::uint64_t>(got);
    }
    return bytes;
}

// Regular files that are there, in an order that no read-ahead knows, as many as are to be read.
std::vector<File> chosen(std::vector<fs::path> paths, const StorageOptions& options) {
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    std::shuffle(paths.begin(), paths.end(), std::mt19937_64(0));
    std::vector<File> files;
    double left = options.most_bytes;
    const Clock::time_point begin = Clock::now();
    for (const fs::path& path : paths) {
        struct stat status {};
        const bool enough =
            files.size() == most_files || (files.size() >= fewest_files && since(begin) > options.seconds);
        if (enough || left <= 0) break;
        if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) continue;
        const double bytes = std::min({static_cast<double>(status.st_size), options.most_bytes / 4, left});
        const File file{path, static_cast<std::uint64_t>(bytes)};
        if (!read_file(file)) continue;  // which also brings it into memory
        left -= bytes;
        files.push_back(file);
    }
    return files;
}

// The share of its pages that are in memory; none where that cannot be told.
std::optional<double> share_in_memory(const File& file) {
    const sys::Descriptor opened = open_file(file.path);
    if (!opened) return std::nullopt;
    void* map = ::mmap(nullptr, file.bytes, PROT_READ, MAP_SHARED, opened.get(), 0);
    if (map == MAP_FAILED) return std::nullopt;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages((file.bytes + page - 1) / page);
    const bool told = ::mincore(map, file.bytes, pages.data()) == 0;
    ::munmap(map, file.bytes);
    if (!told) return std::nullopt;
    const auto there = std::count_if(pages.begin(), pages.end(), [](unsigned char one) { return (one & 1) != 0; });
    return static_cast<double>(there) / static_cast<double>(pages.size());
}

// Whether their pages have left memory: what others have mapped stays, and a file system in memory has nothing else.
bool drop(const std::vector<File>& files) {
    double there = 0;
    for (const File& file : files) {
        const sys::Descriptor opened = open_file(file.path);
        if (!opened || ::posix_fadvise(opened.get(), 0, 0, POSIX_FADV_DONTNEED) != 0) return false;
        const std::optional<double> share = share_in_memory(file);
        if (!share) return false;
        there += *share;
    }
    return there <= still_cached * static_cast<double>(files.size());
}

double median_of_reads(const std::vector<File>& files, double seconds) {
    const Clock::time_point begin = Clock::now();
    std::vector<double> times;
    for (const File& file : files) {
        const Clock::time_point before = Clock::now();
        if (read_file(file)) times.push_back(since(before));
        if (since(begin) > seconds && times.size() >= fewest_files) break;
    }
    return stats::median(times).value_or(0);
}

void add_rates(const std::vector<File>& files, const StorageOptions& options, double seconds, ReadSpeed& speed) {
    std::atomic<std::size_t> next = 0, done = 0;
    std::atomic<std::uint64_t> bytes = 0;
    const Clock::time_point begin = Clock::now();
    const auto read = [&] {
        for (std::size_t i = next++; i < files.size() && since(begin) <= seconds; i = next++) {
            const std::optional<std::uint64_t> got = read_file(files[i]);
            if (!got) continue;
            ++done;
            bytes += *got;
        }
    };
    std::vector<std::thread> readers;
    for (unsigned i = 0; i < std::max(1U, options.readers); ++i) readers.emplace_back(read);
    for (std::thread& reader : readers) reader.join();
    const double took = std::max(since(begin), 1e-9);
    speed.files_per_second = static_cast<double>(done) / took;
    speed.bytes_per_second = static_cast<double>(bytes) / took;
}

}  // namespace

Result<SampleFiles> measure_storage(std::vector<fs::path> paths, const StorageOptions& options) {
    const std::vector<File> files = chosen(std::move(paths), options);
    if (files.empty()) return fail(ErrorCode::not_found, "no file that samples are read from could be read");
    SampleFiles measured;
    measured.files = files.size();
    double bytes = 0;
    for (const File& file : files) bytes += static_cast<double>(file.bytes);
    measured.bytes_per_file = bytes / static_cast<double>(files.size());
    const double part = options.seconds / 4;
    measured.cached.seconds_per_file = median_of_reads(files, part);
    add_rates(files, options, part, measured.cached);
    if (!drop(files)) return measured;
    ReadSpeed uncached;
    uncached.seconds_per_file = median_of_reads(files, part);
    if (!drop(files)) return measured;
    add_rates(files, options, part, uncached);
    if (uncached.seconds_per_file > 0 && uncached.files_per_second > 0) measured.uncached = uncached;
    return measured;
}

}  // namespace headrace::input
