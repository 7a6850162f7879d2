// SPDX-License-Identifier: Apache-2.0
#include "tasks/items.h"

#include <soci/soci.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

namespace wherry::tasks {
namespace {

constexpr std::size_t kItemsAtOnce = 1000;

// Of the column `flags`.
constexpr int kIsSymlink = 1;
constexpr int kRecursionShift = 1;
constexpr int kRecursionMask = 3;

// Rows of the table, column by column, as SOCI takes them.
struct ItemColumns {
  std::vector<long long> task, ordinal;
  std::vector<std::string> source, target;
  std::vector<int> flags;
  std::vector<std::string> checksum;
};

void fill(ItemColumns& rows, const engine::TransferItem& item) {
  rows.source.push_back(item.source.text());
  rows.target.push_back(item.target.text());
  int flags = item.kind == engine::TransferItem::Kind::kSymlink ? kIsSymlink : 0;
  flags |= static_cast<int>(item.recursion) << kRecursionShift;
  rows.flags.push_back(flags);
  rows.checksum.push_back(item.checksum ? fmt::format("{}:{}", to_string(item.checksum->algorithm),
                                                      item.checksum->digest)
                                        : std::string());
}

void fill(ItemColumns& rows, const engine::DeleteItem& item) {
  rows.source.push_back(item.path.text());
  rows.target.emplace_back();
  rows.flags.push_back(0);
  rows.checksum.emplace_back();
}

template <class Item>
void insert_all(soci::session& sql, TaskKey task, std::span<const Item> items) {
  for (std::size_t begin = 0; begin < items.size(); begin += kItemsAtOnce) {
    ItemColumns rows;
    const std::size_t end = std::min(begin + kItemsAtOnce, items.size());
    rows.task.assign(end - begin, task);
    for (std::size_t i = begin; i < end; ++i) {
      rows.ordinal.push_back(static_cast<long long>(i));
      fill(rows, items[i]);
    }
    sql << "insert into item (task, ordinal, source, target, flags, checksum)"
           " values (:task, :ordinal, :source, :target, :flags, :checksum)",
        soci::use(rows.task), soci::use(rows.ordinal), soci::use(rows.source),
        soci::use(rows.target), soci::use(rows.flags), soci::use(rows.checksum);
  }
}

struct ItemRow {
  long long ordinal = 0;
  std::string source, target;
  int flags = 0;
  std::string checksum;
};

Result<std::optional<engine::ExternalChecksum>> parse_checksum(const std::string& text) {
  if (text.empty()) return std::optional<engine::ExternalChecksum>();
  const std::size_t colon = text.find(':');
  engine::ExternalChecksum checksum;
  TRY_ASSIGN(checksum.algorithm, parse_hash_algorithm(text.substr(0, colon)));
  checksum.digest = text.substr(std::min(colon, text.size() - 1) + 1);
  return std::optional(std::move(checksum));
}

Result<void> parse(const ItemRow& row, engine::TransferItem& item) {
  item.kind = (row.flags & kIsSymlink) != 0 ? engine::TransferItem::Kind::kSymlink
                                            : engine::TransferItem::Kind::kPath;
  item.recursion =
      static_cast<engine::TransferItem::Recursion>((row.flags >> kRecursionShift) & kRecursionMask);
  item.source = RelPath::from_normal(row.source);
  item.target = RelPath::from_normal(row.target);
  TRY_ASSIGN(item.checksum, parse_checksum(row.checksum));
  return {};
}

Result<void> parse(const ItemRow& row, engine::DeleteItem& item) {
  item.path = RelPath::from_normal(row.source);
  return {};
}

template <class Item>
class StoredItems : public engine::ItemSource<Item> {
 public:
  using Numbered = typename engine::ItemSource<Item>::Numbered;

  StoredItems(Database& database, TaskKey task) : database_(database), task_(task) {}

  Result<std::optional<Numbered>> next() override {
    if (page_.empty() && !at_end_) TRY(load_page());
    if (page_.empty()) return std::optional<Numbered>();
    Numbered item = std::move(page_.front());
    page_.pop_front();
    return std::optional<Numbered>(std::move(item));
  }

 private:
  Result<void> load_page() {
    const auto read = [&](soci::session& sql) -> Result<void> {
      ItemRow row;
      const auto limit = static_cast<long long>(kItemsAtOnce);
      soci::statement statement =
          (sql.prepare << "select ordinal, source, target, flags, checksum from item"
                          " where task = :task and ordinal > :last order by ordinal limit :limit",
           soci::use(task_), soci::use(last_), soci::use(limit), soci::into(row.ordinal),
           soci::into(row.source), soci::into(row.target), soci::into(row.flags),
           soci::into(row.checksum));
      statement.execute();
      while (statement.fetch()) {
        Numbered item;
        item.ordinal = static_cast<std::uint64_t>(row.ordinal);
        TRY(parse(row, item.item), "item {}", row.ordinal);
        page_.push_back(std::move(item));
      }
      return {};
    };
    TRY(database_.read(read), "read the items of the task");
    at_end_ = page_.size() < kItemsAtOnce;
    if (!page_.empty()) last_ = static_cast<long long>(page_.back().ordinal);
    return {};
  }

  Database& database_;
  TaskKey task_;
  long long last_ = -1;
  bool at_end_ = false;
  std::deque<Numbered> page_;
};

}  // namespace

void insert_items(soci::session& sql, TaskKey task, std::span<const engine::TransferItem> items) {
  insert_all(sql, task, items);
}

void insert_items(soci::session& sql, TaskKey task, std::span<const engine::DeleteItem> items) {
  insert_all(sql, task, items);
}

std::unique_ptr<engine::ItemSource<engine::TransferItem>> read_transfer_items(Database& database,
                                                                              TaskKey task) {
  return std::make_unique<StoredItems<engine::TransferItem>>(database, task);
}

std::unique_ptr<engine::ItemSource<engine::DeleteItem>> read_delete_items(Database& database,
                                                                          TaskKey task) {
  return std::make_unique<StoredItems<engine::DeleteItem>>(database, task);
}

}  // namespace wherry::tasks
