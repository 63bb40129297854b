// The queue directory: made when missing, locked for one process, with a ballast file to give up on a full disk.
#include "embedded.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace danelaw::store {
namespace {

std::string owner_of(int lock) {
    char text[32] = {};
    ssize_t n = ::pread(lock, text, sizeof text - 1, 0);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string("unknown");
}

} // namespace

Result<Directory> Directory::take(const std::string& path) {
    std::error_code ec;
    std::filesystem::create_directories(path, ec);
    if (ec) return fail(Errc::io, "queue directory " + path + ": " + ec.message());
    std::string name = path + "/lock";
    int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail(Errc::io, name + ": " + std::strerror(errno));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        auto owner = owner_of(fd);
        ::close(fd);
        return fail(Errc::unavailable, "queue directory " + path + " is in use by process " + owner);
    }
    auto pid = std::to_string(::getpid());
    if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
    return Directory(path, fd);
}

Directory::Directory(Directory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

Directory::~Directory() {
    if (lock_ >= 0) ::close(lock_);
}

bool Directory::has(const std::string& name) const {
    return ::access(file(name).c_str(), F_OK) == 0;
}

void Directory::mark(const std::string& name) const {
    int fd = ::open(file(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) ::close(fd);
}

void Directory::unmark(const std::string& name) const {
    ::unlink(file(name).c_str());
}

// Not taken while the disk is nearly full: then the room is for mail.
bool Directory::fill_ballast(Bytes size) {
    if (size == 0) return true;
    struct statvfs disk{};
    if (::statvfs(path_.c_str(), &disk) != 0) return false;
    std::string name = file("ballast");
    std::error_code ec;
    if (std::filesystem::file_size(name, ec) >= size && !ec) return true;
    if (disk.f_bavail * disk.f_frsize < 4 * size) return false;
    int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool whole = ::posix_fallocate(fd, 0, static_cast<off_t>(size)) == 0;
    ::close(fd);
    if (!whole) ::unlink(name.c_str());
    return whole;
}

bool Directory::drop_ballast() {
    return ::unlink(file("ballast").c_str()) == 0;
}

} // namespace danelaw::store
