#include "store/fault_vfs_support.hpp"

#include "danelaw/base/random.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <sqlite3.h>
#include <vector>

namespace danelaw::store::fault {
namespace {

struct Write {
    std::size_t offset = 0;
    std::string octets;
    bool truncate = false; // to `offset`
};
struct Image {
    std::string durable;
    std::vector<Write> pending;
};
struct State {
    std::mutex mutex;
    Fault fault = Fault::none;
    std::uint64_t at = 0, step = 0;
    std::map<std::string, Image> files;
} state;

void put_into(std::string& image, const Write& w) {
    if (w.truncate) {
        image.resize(w.offset);
        return;
    }
    if (image.size() < w.offset + w.octets.size()) image.resize(w.offset + w.octets.size());
    image.replace(w.offset, w.octets.size(), w.octets);
}

// Counts a step; what the operation must answer instead of working.
enum class Kind { write, sync, other };
int strike(Kind kind) {
    ++state.step;
    switch (state.fault) {
    case Fault::none: return SQLITE_OK;
    case Fault::power_loss: return state.step >= state.at ? SQLITE_IOERR_WRITE : SQLITE_OK;
    case Fault::full_once: return state.step == state.at && kind == Kind::write ? SQLITE_FULL : SQLITE_OK;
    case Fault::full_from_here: return state.step >= state.at && kind == Kind::write ? SQLITE_FULL : SQLITE_OK;
    case Fault::sync_error: return state.step == state.at && kind == Kind::sync ? SQLITE_IOERR_FSYNC : SQLITE_OK;
    }
    return SQLITE_OK;
}

sqlite3_vfs* real() {
    static sqlite3_vfs* vfs = sqlite3_vfs_find("unix");
    return vfs;
}

struct File {
    sqlite3_file base;
    std::string* name; // null: not followed (temporary files)
    sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File* self(sqlite3_file* f) {
    return reinterpret_cast<File*>(f);
}
sqlite3_file* inner(sqlite3_file* f) {
    return self(f)->inner();
}
const sqlite3_io_methods* in(sqlite3_file* f) {
    return inner(f)->pMethods;
}

int x_close(sqlite3_file* f) {
    int rc = in(f)->xClose(inner(f));
    delete self(f)->name;
    return rc;
}
int x_read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
    return in(f)->xRead(inner(f), to, n, at);
}
int x_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
    std::scoped_lock lock(state.mutex);
    if (int rc = strike(Kind::write)) return rc;
    if (self(f)->name != nullptr)
        state.files[*self(f)->name].pending.push_back(
            {static_cast<std::size_t>(at), std::string(static_cast<const char*>(from), static_cast<std::size_t>(n)),
             false});
    return in(f)->xWrite(inner(f), from, n, at);
}
int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
    std::scoped_lock lock(state.mutex);
    if (int rc = strike(Kind::other)) return rc;
    if (self(f)->name != nullptr)
        state.files[*self(f)->name].pending.push_back({static_cast<std::size_t>(size), {}, true});
    return in(f)->xTruncate(inner(f), size);
}
int x_sync(sqlite3_file* f, int) {
    std::scoped_lock lock(state.mutex);
    if (int rc = strike(Kind::sync)) return rc;
    if (self(f)->name == nullptr) return SQLITE_OK;
    auto& image = state.files[*self(f)->name];
    for (const auto& w : image.pending) put_into(image.durable, w);
    image.pending.clear();
    return SQLITE_OK; // the real file need not be synced: the image is the disk
}
int x_size(sqlite3_file* f, sqlite3_int64* size) {
    return in(f)->xFileSize(inner(f), size);
}
int x_lock(sqlite3_file* f, int how) {
    return in(f)->xLock(inner(f), how);
}
int x_unlock(sqlite3_file* f, int how) {
    return in(f)->xUnlock(inner(f), how);
}
int x_reserved(sqlite3_file* f, int* out) {
    return in(f)->xCheckReservedLock(inner(f), out);
}
int x_control(sqlite3_file* f, int op, void* arg) {
    return in(f)->xFileControl(inner(f), op, arg);
}
int x_sector(sqlite3_file* f) {
    return in(f)->xSectorSize(inner(f));
}
int x_device(sqlite3_file* f) {
    return in(f)->xDeviceCharacteristics(inner(f));
}
int x_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
    return in(f)->xShmMap(inner(f), page, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
    return in(f)->xShmLock(inner(f), offset, n, flags);
}
void x_shm_barrier(sqlite3_file* f) {
    in(f)->xShmBarrier(inner(f));
}
int x_shm_unmap(sqlite3_file* f, int remove) {
    return in(f)->xShmUnmap(inner(f), remove);
}

const sqlite3_io_methods methods{2,          x_close,       x_read,      x_write,   x_truncate, x_sync,   x_size,
                                 x_lock,     x_unlock,      x_reserved,  x_control, x_sector,   x_device, x_shm_map,
                                 x_shm_lock, x_shm_barrier, x_shm_unmap, nullptr,   nullptr};

int v_open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out) {
    auto* file = self(f);
    file->base.pMethods = nullptr;
    file->name = nullptr;
    int rc = real()->xOpen(real(), name, file->inner(), flags, out);
    if (rc != SQLITE_OK) return rc;
    file->base.pMethods = &methods;
    if (name == nullptr || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) == 0) return rc;
    file->name = new std::string(name);
    std::scoped_lock lock(state.mutex);
    state.files.try_emplace(*file->name);
    return rc;
}
int v_delete(sqlite3_vfs*, const char* name, int) {
    std::scoped_lock lock(state.mutex);
    if (int rc = strike(Kind::other)) return rc;
    state.files.erase(name);
    return real()->xDelete(real(), name, 0);
}
int v_access(sqlite3_vfs*, const char* name, int flags, int* out) {
    return real()->xAccess(real(), name, flags, out);
}
int v_full(sqlite3_vfs*, const char* name, int n, char* out) {
    return real()->xFullPathname(real(), name, n, out);
}
int v_random(sqlite3_vfs*, int n, char* out) {
    return real()->xRandomness(real(), n, out);
}
int v_sleep(sqlite3_vfs*, int us) {
    return real()->xSleep(real(), us);
}
int v_time(sqlite3_vfs*, double* out) {
    return real()->xCurrentTime(real(), out);
}
int v_error(sqlite3_vfs*, int n, char* out) {
    return real()->xGetLastError(real(), n, out);
}

} // namespace

void install() {
    static sqlite3_vfs vfs{};
    if (vfs.zName != nullptr) return;
    vfs.iVersion = 1;
    vfs.szOsFile = static_cast<int>(sizeof(File)) + real()->szOsFile;
    vfs.mxPathname = real()->mxPathname;
    vfs.zName = "forgetful";
    vfs.xOpen = v_open;
    vfs.xDelete = v_delete;
    vfs.xAccess = v_access;
    vfs.xFullPathname = v_full;
    vfs.xRandomness = v_random;
    vfs.xSleep = v_sleep;
    vfs.xCurrentTime = v_time;
    vfs.xGetLastError = v_error;
    sqlite3_vfs_register(&vfs, 0);
}

void reset(Fault fault, std::uint64_t at_step) {
    std::scoped_lock lock(state.mutex);
    state.fault = fault;
    state.at = at_step;
    state.step = 0;
    state.files.clear();
}

std::uint64_t steps() {
    std::scoped_lock lock(state.mutex);
    return state.step;
}

bool struck() {
    std::scoped_lock lock(state.mutex);
    return state.fault != Fault::none && state.step >= state.at;
}

void materialize(const std::string& directory, Unsynced unsynced, std::uint64_t seed) {
    std::scoped_lock lock(state.mutex);
    SeededRng rng(seed);
    for (const auto& [name, image] : state.files) {
        std::string content = image.durable;
        for (auto w : image.pending) {
            if (unsynced == Unsynced::lost || (unsynced == Unsynced::some && rng.below(2) == 0)) continue;
            if (unsynced == Unsynced::some && !w.truncate && w.octets.size() > 512 && rng.below(3) == 0)
                w.octets.resize(512); // torn
            put_into(content, w);
        }
        std::ofstream out(directory + "/" + std::filesystem::path(name).filename().string(), std::ios::binary);
        out << content;
    }
}

} // namespace danelaw::store::fault
