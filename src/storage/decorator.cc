// SPDX-License-Identifier: Apache-2.0
#include "storage/decorator.h"

#include <vector>

#include "base/check.h"

namespace wherry::storage {

std::string_view to_string(Operation operation) {
  switch (operation) {
    case Operation::kList:
      return "list";
    case Operation::kStat:
      return "stat";
    case Operation::kOpenRead:
      return "open to read";
    case Operation::kRead:
      return "read";
    case Operation::kReadAttributes:
      return "read attributes";
    case Operation::kNextData:
      return "find data";
    case Operation::kCreateTemporary:
      return "create temporary";
    case Operation::kWrite:
      return "write";
    case Operation::kReadBack:
      return "read back";
    case Operation::kFinish:
      return "finish";
    case Operation::kFlush:
      return "flush";
    case Operation::kCommit:
      return "commit";
    case Operation::kFlushDirectories:
      return "flush directories";
    case Operation::kRemoveFile:
      return "remove file";
    case Operation::kRemoveDirectory:
      return "remove directory";
    case Operation::kMakeDirectory:
      return "make directory";
    case Operation::kRename:
      return "rename";
    case Operation::kMakeSymlink:
      return "make symlink";
    case Operation::kSetAttributes:
      return "set attributes";
    case Operation::kSpace:
      return "free space";
    case Operation::kChecksum:
      return "checksum";
    case Operation::kCloneFrom:
      return "clone";
  }
  return "unknown operation";
}

template <class Function>
auto Decorator::run(Call call, const Function& function) -> decltype(function()) {
  using Outcome = decltype(function());
  if constexpr (std::is_same_v<Outcome, Result<void>>) {
    return around(call, function);
  } else {
    std::optional<Outcome> outcome;
    auto done = around(call, [&]() -> Result<void> {
      outcome.emplace(function());
      if (!*outcome) return outcome->error();
      return {};
    });
    if (!done) return std::move(done).error();
    CHECK(outcome && *outcome);
    return *std::move(outcome);
  }
}

class DecoratedReadFile : public ReadFile {
 public:
  DecoratedReadFile(Decorator& storage, std::unique_ptr<ReadFile> inner)
      : storage_(storage), inner_(std::move(inner)) {}

  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override {
    Decorator::Call call{.operation = Operation::kRead};
    TRY(storage_.around(call, [&]() -> Result<void> {
      TRY_ASSIGN(call.bytes, inner_->read(offset, buffer));
      call.read = buffer.first(static_cast<std::size_t>(call.bytes));
      return {};
    }));
    return static_cast<std::size_t>(call.bytes);
  }
  Result<Attributes> attributes() override {
    return storage_.run({.operation = Operation::kReadAttributes},
                        [&] { return inner_->attributes(); });
  }
  Result<std::optional<Extent>> next_data(ByteCount offset) override {
    return storage_.run({.operation = Operation::kNextData},
                        [&] { return inner_->next_data(offset); });
  }

 private:
  Decorator& storage_;
  const std::unique_ptr<ReadFile> inner_;
};

class DecoratedTemporary : public TemporaryFile {
 public:
  DecoratedTemporary(Decorator& storage, std::unique_ptr<TemporaryFile> inner)
      : storage_(storage), inner_(std::move(inner)) {}
  ~DecoratedTemporary() override {
    if (storage_.keeps_temporaries() && !committed_) inner_->keep();
  }

  const RelPath& target() const override { return inner_->target(); }
  ByteCount existing_size() const override { return inner_->existing_size(); }
  Result<void> write(ByteCount offset, std::span<const char> bytes) override {
    const std::function<Result<void>(std::span<const char>)> other =
        [&](std::span<const char> others) { return inner_->write(offset, others); };
    Decorator::Call call{.operation = Operation::kWrite,
                         .bytes = bytes.size(),
                         .write_other = &other,
                         .written = bytes};
    return storage_.around(call, [&] { return inner_->write(offset, bytes); });
  }
  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override {
    Decorator::Call call{.operation = Operation::kReadBack};
    TRY(storage_.around(call, [&]() -> Result<void> {
      TRY_ASSIGN(call.bytes, inner_->read(offset, buffer));
      call.read = buffer.first(static_cast<std::size_t>(call.bytes));
      return {};
    }));
    return static_cast<std::size_t>(call.bytes);
  }
  Result<void> finish(const Finish& finish) override {
    return storage_.run({.operation = Operation::kFinish}, [&] { return inner_->finish(finish); });
  }
  void keep() override { inner_->keep(); }

  TemporaryFile& inner() { return *inner_; }
  void set_committed() { committed_ = true; }

 private:
  Decorator& storage_;
  const std::unique_ptr<TemporaryFile> inner_;
  bool committed_ = false;
};

namespace {

DecoratedTemporary& decorated(TemporaryFile& file) {
  auto* temporary = dynamic_cast<DecoratedTemporary*>(&file);
  CHECK(temporary != nullptr);
  return *temporary;
}

}  // namespace

Decorator::Decorator(std::unique_ptr<Storage> inner) : owned_(std::move(inner)), inner_(*owned_) {}
Decorator::Decorator(Storage& inner) : inner_(inner) {}

// Run anew after it broke off, it goes on behind the last entry that the visitor saw.
Result<void> Decorator::list(const RelPath& directory,
                             const std::function<Visit(const Entry&)>& visit) {
  std::optional<std::string> seen;
  return run({.operation = Operation::kList}, [&] {
    return inner_.list(directory, [&](const Entry& entry) {
      if (seen && entry.name <= *seen) return Visit::kContinue;
      seen = entry.name;
      return visit(entry);
    });
  });
}

Result<Entry> Decorator::stat(const RelPath& path, Follow follow) {
  return run({.operation = Operation::kStat}, [&] { return inner_.stat(path, follow); });
}

Result<std::unique_ptr<ReadFile>> Decorator::open_read(const RelPath& path) {
  TRY_ASSIGN(auto file,
             run({.operation = Operation::kOpenRead}, [&] { return inner_.open_read(path); }));
  return std::make_unique<DecoratedReadFile>(*this, std::move(file));
}

Result<std::unique_ptr<TemporaryFile>> Decorator::create_temporary(const CreateTemporary& request) {
  TRY_ASSIGN(auto file, run({.operation = Operation::kCreateTemporary},
                            [&] { return inner_.create_temporary(request); }));
  return std::make_unique<DecoratedTemporary>(*this, std::move(file));
}

Result<void> Decorator::flush(std::span<TemporaryFile* const> files) {
  std::vector<TemporaryFile*> inner;
  inner.reserve(files.size());
  for (TemporaryFile* file : files) inner.push_back(&decorated(*file).inner());
  return run({.operation = Operation::kFlush}, [&] { return inner_.flush(inner); });
}

Result<void> Decorator::commit(TemporaryFile& file) {
  DecoratedTemporary& temporary = decorated(file);
  return run({.operation = Operation::kCommit}, [&]() -> Result<void> {
    TRY(inner_.commit(temporary.inner()));
    temporary.set_committed();
    return {};
  });
}

Result<void> Decorator::flush_directories(std::span<const RelPath> directories) {
  return run({.operation = Operation::kFlushDirectories},
             [&] { return inner_.flush_directories(directories); });
}

Result<void> Decorator::remove_file(const RelPath& path) {
  return run({.operation = Operation::kRemoveFile}, [&] { return inner_.remove_file(path); });
}

Result<void> Decorator::remove_directory(const RelPath& path) {
  return run({.operation = Operation::kRemoveDirectory},
             [&] { return inner_.remove_directory(path); });
}

Result<void> Decorator::make_directory(const RelPath& path, std::uint32_t mode) {
  return run({.operation = Operation::kMakeDirectory},
             [&] { return inner_.make_directory(path, mode); });
}

Result<void> Decorator::rename(const RelPath& from, const RelPath& to, Replace replace) {
  return run({.operation = Operation::kRename}, [&] { return inner_.rename(from, to, replace); });
}

Result<void> Decorator::make_symlink(const RelPath& path, std::string_view target,
                                     Replace replace) {
  return run({.operation = Operation::kMakeSymlink},
             [&] { return inner_.make_symlink(path, target, replace); });
}

Result<void> Decorator::set_attributes(const RelPath& path, const SetAttributes& attributes) {
  return run({.operation = Operation::kSetAttributes},
             [&] { return inner_.set_attributes(path, attributes); });
}

Result<Storage::Space> Decorator::space() {
  return run({.operation = Operation::kSpace}, [&] { return inner_.space(); });
}

Result<std::string> Decorator::checksum(const RelPath& path, HashAlgorithm algorithm) {
  return run({.operation = Operation::kChecksum}, [&] { return inner_.checksum(path, algorithm); });
}

Result<void> Decorator::clone_from(Storage& source, const RelPath& path, TemporaryFile& file) {
  return run({.operation = Operation::kCloneFrom},
             [&] { return inner_.clone_from(source, path, decorated(file).inner()); });
}

}  // namespace wherry::storage
