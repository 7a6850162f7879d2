// SPDX-License-Identifier: Apache-2.0
// The contract of storage.h as tests, which every storage and every decorator passes. A new one is
// a line in the list.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/scratch_directory.h"
#include "storage/backends.h"
#include "storage/testing/content.h"
#include "storage/testing/faulty.h"

namespace wherry::storage {

using Follow = Storage::Follow;

// What a storage under test may need around it.
struct ConformanceWorld {
  ScratchDirectory scratch;
  FakeClock clock{TimePoint(std::chrono::seconds(1539601563)), FakeClock::Sleepers::kAdvance};
  SeededRandom random{1};
  Faults faults;
};

struct Candidate {
  const char* name;
  std::function<std::unique_ptr<Storage>(ConformanceWorld&)> open;
};

inline const Candidate kCandidates[] = {
    {"Posix", [](ConformanceWorld& w) { return open_posix(w.scratch.path()).value(); }},
    {"Memory", [](ConformanceWorld& w) { return open_memory({.clock = &w.clock}); }},
    {"RetryingMemory",
     [](ConformanceWorld& w) { return make_retrying(open_memory(), {}, w.clock, w.random); }},
    {"ThrottledMemory",
     [](ConformanceWorld& w) {
       return make_throttled(
           open_memory(),
           make_throttle({.bytes_per_second = 1 << 20, .operations_per_second = 100}, w.clock));
     }},
    {"FaultyPosixWithoutFaults",
     [](ConformanceWorld& w) {
       return make_faulty(open_posix(w.scratch.path()).value(), w.faults, w.clock);
     }},
};

class Conformance : public testing::TestWithParam<Candidate> {
 protected:
  ConformanceWorld world_;
  std::unique_ptr<Storage> storage_ = GetParam().open(world_);

  CreateTemporary request(std::string_view target) {
    CreateTemporary request;
    request.target = path_of(target);
    request.temporary_name = temporary_name("task", request.target);
    request.mode = 0640;
    return request;
  }
  std::unique_ptr<TemporaryFile> create(std::string_view target) {
    return storage_->create_temporary(request(target)).value();
  }
  std::unique_ptr<TemporaryFile> finished(std::string_view target, std::string_view content) {
    auto file = create(target);
    file->write(0, content).value();
    file->finish({.size = content.size(), .mode = {}, .mtime = {}}).value();
    return file;
  }
  void make_directory(std::string_view path) {
    storage_->make_directory(path_of(path), 0755).value();
  }
  void make_symlink(std::string_view path, std::string_view target) {
    storage_->make_symlink(path_of(path), target, Replace::kNo).value();
  }
  Attributes attributes(std::string_view path) {
    return storage_->stat(path_of(path), Follow::kNo).value().attributes;
  }
};

template <class T>
Code code_of(const Result<T>& result) {
  return result.error().code;
}

inline Visit go_on(const Entry&) { return Visit::kContinue; }

}  // namespace wherry::storage
