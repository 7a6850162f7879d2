// SPDX-License-Identifier: Apache-2.0
#include "flow/proof.h"

#include <unordered_map>
#include <vector>

#include "base/path.h"
#include "base/units.h"
#include "flow/data_paths.h"

namespace wherry::flow {
namespace {

// A file as it was when it was copied.
struct Copied {
  ByteCount size = 0;
  TimePoint requested;  // the transfer, so that what is older was copied as it is
};

class Prover {
 public:
  Prover(tasks::TransferService& service, endpoints::EndpointId endpoint, RelPath path)
      : service_(service), endpoint_(std::move(endpoint)), path_(std::move(path)) {}

  // Transfers from elsewhere, or without checksums, prove nothing.
  Result<void> take(const tasks::TaskId& id) {
    TRY_ASSIGN(const tasks::Task task, service_.task(id), "task {}", id);
    if (task.type != tasks::TaskType::kTransfer || task.source_endpoint != endpoint_ ||
        task.transfer_options.verify != engine::Verify::kChecksum)
      return {};
    std::uint64_t marker = 0;
    while (true) {
      TRY_ASSIGN(const auto page, service_.successful_transfers(id, marker), "task {}", id);
      for (const tasks::SuccessfulTransfer& row : page.rows) {
        TRY_ASSIGN(const RelPath source, RelPath::parse(row.source_path));
        if (source.is_within(path_)) copied_[source.text()] = {row.size, task.requested};
      }
      if (!page.next) return {};
      marker = *page.next;
    }
  }

  Result<void> check() {
    const auto top = service_.stat(endpoint_, path_);
    if (!top && top.error().code == Code::kNotFound) return {};
    if (!top) return top.error();
    if (top->is_link || top->attributes.type != EntryType::kDirectory)
      return check_file(path_, *top);
    std::vector<RelPath> open = {path_};
    while (!open.empty()) {
      const RelPath directory = std::move(open.back());
      open.pop_back();
      TRY_ASSIGN(const auto entries, service_.list(endpoint_, directory));
      for (const tasks::FileInfo& entry : entries) {
        const RelPath path = directory.child(entry.name);
        if (!entry.is_link && entry.attributes.type == EntryType::kDirectory) {
          open.push_back(path);
        } else {
          TRY(check_file(path, entry));
        }
      }
    }
    return {};
  }

 private:
  Result<void> check_file(const RelPath& path, const tasks::FileInfo& file) const {
    const auto refuse = [&](std::string_view why) {
      return make_error(Code::kConflict, "nothing was deleted: '/{}' {}", escape_bytes(path.text()),
                        why);
    };
    const auto found = copied_.find(path.text());
    if (file.is_link) return refuse("is a symbolic link, which no checksum proves");
    if (found == copied_.end())
      return refuse("was not copied and verified by checksum by a transfer before this");
    if (file.attributes.size != found->second.size)
      return refuse(fmt::format("has {} bytes, and had {} when it was copied", file.attributes.size,
                                found->second.size));
    if (file.attributes.mtime > found->second.requested)
      return refuse(fmt::format("was changed at {}, after its transfer was asked for at {}",
                                format_time(file.attributes.mtime),
                                format_time(found->second.requested)));
    return {};
  }

  tasks::TransferService& service_;
  const endpoints::EndpointId endpoint_;
  const RelPath path_;
  std::unordered_map<std::string, Copied> copied_;
};

}  // namespace

Result<void> check_proof(tasks::TransferService& service, const ProofOf& place,
                         std::span<const tasks::TaskId> transfers) {
  TRY_ASSIGN(const endpoints::Endpoint endpoint, service.endpoint(place.endpoint));
  TRY_ASSIGN(RelPath path, read_removable_path(place.path, endpoint));
  Prover prover(service, endpoint.id, std::move(path));
  for (const tasks::TaskId& id : transfers) TRY(prover.take(id));
  return prover.check();
}

}  // namespace wherry::flow
