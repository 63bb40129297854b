// A disk that fails on purpose: a VFS for SQLite that remembers what was synced and what was only written, and at a
// chosen step loses power, runs full, or fails an fsync. A step is one write, sync, truncate or delete.
#pragma once

#include <cstdint>
#include <string>

namespace danelaw::store::fault {

enum class Fault { none, power_loss, full_once, full_from_here, sync_error };
enum class Unsynced { lost, kept, some }; // what a power loss leaves of writes not yet synced; some: a torn subset

void install(); // registers the VFS "forgetful"
void reset(Fault fault, std::uint64_t at_step);
std::uint64_t steps(); // since reset
bool struck();         // the fault's step was reached
// Writes the files as they would be found after the power loss into `directory`.
void materialize(const std::string& directory, Unsynced unsynced, std::uint64_t seed);

} // namespace danelaw::store::fault
