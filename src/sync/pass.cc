// SPDX-License-Identifier: Apache-2.0
#include "sync/pass.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "base/log.h"
#include "sync/plan.h"
#include "sync/prepare.h"
#include "sync/save.h"
#include "sync/scan.h"

namespace wherry::sync {
namespace {

constexpr Duration kFirstBackOff = std::chrono::minutes(1);
constexpr std::size_t kMaxLabelBytes = 100;

// Tells one catalog from another, so that a journal is never applied to one it was not made for.
std::uint64_t catalog_identity(const catalog::Reader* catalog) {
  if (catalog == nullptr) return 0;
  const catalog::Totals& totals = catalog->totals();
  return checksum64(
      fmt::format("{}|{}|{}|{}", catalog->note(), totals.directories, totals.files, totals.bytes));
}

Result<std::unique_ptr<catalog::Reader>> open_catalog(const std::string& path) {
  auto opened = catalog::Reader::open(path);
  if (!opened && opened.error().code == Code::kNotFound) return std::unique_ptr<catalog::Reader>();
  return opened;
}

std::string format_label(const std::string& pattern, TimePoint time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t now = seconds.time_since_epoch().count();
  std::tm local{};
  ::localtime_r(&now, &local);
  std::string text(kMaxLabelBytes, '\0');
  text.resize(std::strftime(text.data(), text.size(), pattern.c_str(), &local));
  std::replace(text.begin(), text.end(), '/', '_');  // it names a directory of the archive
  return text.empty() ? "AUTO" : text;
}

Duration back_off(int attempts) {
  if (attempts <= 1) return Duration(0);  // the next pass tries again
  const int doublings = std::min(attempts - 2, 20);
  return std::min<Duration>(kFirstBackOff * (1 << doublings), kLongestBackOff);
}

// One run of a pass; members are what its phases share.
class Pass {
 public:
  Pass(const PassParts& parts, const SyncDefinition& definition, const PassOptions& options,
       std::stop_token stop)
      : parts_(parts),
        definition_(definition),
        options_(options),
        stop_(std::move(stop)),
        rules_{definition.symlinks, definition.filters} {}

  Result<PassReport> run();

 private:
  Result<void> finish_earlier();
  Result<void> finish_journal(const Journal& journal, const PassRecord& record);
  Result<void> begin();
  Result<bool> look_at_source();
  Result<ScanResult> scan_source(SourceTree& tree, JournalWriter& writer);
  Result<std::unique_ptr<Journal>> plan(JournalWriter& writer);
  Result<bool> brake(const ScanResult& seen, const Tally& found);
  bool is_vanished(const ScanResult& seen) const;
  std::string source_text() const;
  Result<void> stop_before_anything(std::string message);
  Result<PassReport> end_without_work(const Journal* journal);
  Result<void> execute(const Journal& journal, Preparation preparation, Outcome& outcome);
  Result<void> settle(const Journal& journal, Outcome& outcome);
  Result<void> save(const Journal& journal, const Outcome& outcome);
  std::vector<Failure> due_failures(const Journal& journal, const Outcome& outcome,
                                    std::vector<std::string>& recovered) const;
  PassContext context();
  PassRecord record() const { return {report_, parts_.clock.now(), is_full_, {}}; }
  template <class Work>
  auto timed(Phase phase, Work work);

  const PassParts& parts_;
  const SyncDefinition& definition_;
  const PassOptions& options_;
  std::stop_token stop_;
  Rules rules_;

  std::unique_ptr<catalog::Reader> catalog_;  // null: none yet
  std::vector<Failure> failures_;             // of earlier passes
  PassReport report_;
  Trust trust_ = Trust::kNames;
  bool is_partial_ = false;
  bool is_full_ = true;
};

template <class Work>
auto Pass::timed(Phase phase, Work work) {
  const Duration begin = parts_.clock.monotonic();
  auto result = work();
  report_.seconds[static_cast<std::size_t>(phase)] += parts_.clock.monotonic() - begin;
  return result;
}

PassContext Pass::context() {
  return {definition_,  parts_.owner, report_.label, report_.number, parts_.service,
          parts_.store, parts_.clock, stop_,         parts_.fault};
}

// --- A pass that died ---

Result<void> Pass::finish_earlier() {
  const std::string path = parts_.files.journal(definition_.name);
  auto journal = Journal::open(path);
  if (!journal && journal.error().code == Code::kNotFound) return {};
  const auto discard = [&](std::string_view why) -> Result<void> {
    log_warning("sync {}: the journal of an unfinished pass is put aside: {}", definition_.name,
                why);
    if (::unlink(path.c_str()) != 0) return errno_error(errno, "remove the journal");
    return {};
  };
  if (!journal) {
    if (journal.error().code != Code::kCorrupt) return std::move(journal).error();
    return discard(journal.error().message);
  }
  TRY_ASSIGN(const auto unfinished, parts_.store.unfinished_pass(definition_.name));
  if (!unfinished || unfinished->report.number != (*journal)->pass()) {
    ::unlink(path.c_str());  // the pass ended; only its journal was left
    return {};
  }
  TRY_ASSIGN(catalog_, open_catalog(parts_.files.catalog(definition_.name)));
  report_ = unfinished->report;
  report_.resumed = true;
  is_full_ = unfinished->full;
  const bool is_saved =
      catalog_ != nullptr && CatalogNote::parse(catalog_->note()).pass == (*journal)->pass();
  if (!is_saved && catalog_identity(catalog_.get()) != (*journal)->base())
    return discard("the catalog was replaced since");
  if (is_saved) {
    report_.end = PassEnd::kDone;
    report_.message = "its process died when all was done";
    TRY(parts_.store.end_pass(definition_.name, record(), {}, {}));
    ::unlink(path.c_str());
    return {};
  }
  log_info("sync {}: finishing pass {}, which was interrupted", definition_.name, report_.number);
  return finish_journal(**journal, *unfinished);
}

Result<void> Pass::finish_journal(const Journal& journal, const PassRecord& earlier) {
  TRY_ASSIGN(failures_, parts_.store.failures(definition_.name));
  TRY_ASSIGN(const Tally found, tally(journal, catalog_.get(), {}));
  report_.counts = found.counts;
  is_partial_ = !earlier.full;
  Outcome outcome(journal.entry_count());
  TRY(execute(journal, earlier.preparation, outcome), "finish pass {} of sync '{}'", report_.number,
      definition_.name);
  return settle(journal, outcome);
}

// --- Finding what there is to do ---

Result<void> Pass::begin() {
  report_ = PassReport();
  report_.started = parts_.clock.now();
  TRY_ASSIGN(catalog_, open_catalog(parts_.files.catalog(definition_.name)));
  TRY_ASSIGN(failures_, parts_.store.failures(definition_.name));
  report_.label = format_label(definition_.label_pattern, report_.started);
  TRY_ASSIGN(const auto last, parts_.store.history(definition_.name, 1));
  if (!last.empty() && last.front().report.label.starts_with(report_.label))
    report_.label += fmt::format("_{}", last.front().report.number + 1);

  const bool same_rules =
      catalog_ != nullptr && CatalogNote::parse(catalog_->note()).rules == rules_.fingerprint();
  TRY_ASSIGN(const auto last_full, parts_.store.last_full_pass(definition_.name));
  // A clock that was ahead then says nothing of how long ago it was.
  const bool full_is_due = !last_full || report_.started < *last_full ||
                           report_.started - *last_full >= definition_.full_every || options_.full;
  is_partial_ = options_.only_directories != nullptr && same_rules && !options_.full;
  trust_ = !same_rules                                                     ? Trust::kNothing
           : definition_.trust_directories && !full_is_due && !is_partial_ ? Trust::kDirectories
                                                                           : Trust::kNames;
  is_full_ = !is_partial_ && trust_ != Trust::kDirectories;
  return {};
}

Result<ScanResult> Pass::scan_source(SourceTree& tree, JournalWriter& writer) {
  const ScanRequest request{tree,
                            rules_,
                            catalog_.get(),
                            trust_,
                            definition_.settle,
                            options_.threads,
                            is_partial_ ? options_.only_directories : nullptr,
                            parts_.clock,
                            stop_};
  log_info("sync {}: scanning", definition_.name);
  TRY_ASSIGN(ScanResult seen, scan(request, writer), "scan the source");
  report_.counts = seen.counts;
  report_.problems = seen.problems;
  report_.quiet_at = seen.quiet_at;
  report_.unquiet_directories = seen.unquiet_directories;
  return seen;
}

Result<std::unique_ptr<Journal>> Pass::plan(JournalWriter& writer) {
  log_info("sync {}: checking for additions or changes", definition_.name);
  return make_plan(
      {definition_, catalog_.get(), parts_.service, failures_, options_.full, report_.started},
      writer);
}

Result<void> Pass::stop_before_anything(std::string message) {
  report_.end = PassEnd::kStopped;
  report_.message = std::move(message);
  log_info("sync {}: stopped: {}", definition_.name, report_.message);
  if (options_.dry_run) return {};
  // For the history: whoever wonders why nothing arrives looks there.
  TRY_ASSIGN(report_.number, parts_.store.begin_pass(definition_.name, record()));
  return parts_.store.end_pass(definition_.name, record(), {}, {});
}

// "ENDPOINT:/path", as it is written on the command line.
std::string Pass::source_text() const {
  const Place& source = definition_.source;
  const auto endpoint = parts_.service.endpoint(source.endpoint);
  const std::string& name = endpoint ? endpoint->display_name : source.endpoint;
  return escape_bytes(name) + ":/" + escape_bytes(source.path.text());
}

bool Pass::is_vanished(const ScanResult& seen) const {
  return !is_partial_ && seen.names_in_root == 0 && catalog_ != nullptr &&
         catalog_->totals().files + catalog_->totals().symlinks > 0;
}

// Whether so much is gone that it looks like an accident. Then report_ says so.
Result<bool> Pass::brake(const ScanResult& seen, const Tally& found) {
  if (options_.allow_deletions || catalog_ == nullptr) return false;
  if (is_vanished(seen)) {
    TRY(stop_before_anything(
        fmt::format("the source '{}' is empty, and {} files were known there: is it mounted? "
                    "Nothing was deleted. If it is meant, `wherry sync run {} "
                    "--allow-deletions`",
                    source_text(), catalog_->totals().files, definition_.name)));
    return true;
  }
  // What is gone stays at the target, but for what something else takes the place of.
  const bool keeps = definition_.deletions == Deletions::kKeep;
  const std::uint64_t gone = keeps ? found.replaced : found.gone + options_.gone_before;
  const std::uint64_t known =
      catalog_->totals().files + catalog_->totals().symlinks + options_.gone_before;
  const double limit = options_.max_delete.value_or(definition_.max_delete);
  const double share =
      known == 0 ? 0 : 100.0 * static_cast<double>(gone) / static_cast<double>(known);
  if (share <= limit) return false;
  TRY(stop_before_anything(
      fmt::format("{} of {} files ({:.1f} %) are gone from the source, more than the {:.1f} % "
                  "that are allowed. Nothing was deleted. If it is meant, `wherry sync run {} "
                  "--allow-deletions`, or raise --max-delete",
                  gone, known, share, limit, definition_.name)));
  return true;
}

// --- Doing it ---

Result<void> Pass::execute(const Journal& journal, Preparation preparation, Outcome& outcome) {
  const PassContext shared = context();
  TRY_ASSIGN(auto stored, parts_.store.submissions(definition_.name, report_.number));
  Batches batches(shared, journal, outcome, std::move(stored));
  TargetTree target(shared, journal, outcome);
  auto done = timed(Phase::kPrepare, [&]() -> Result<void> {
    TRY(target.make_root(), "make the target's directory");
    TRY(batches.send(Submission::Kind::kClear));
    TRY(batches.wait());
    TRY(target.archive_in_the_way(preparation));
    TRY(target.make_and_rename(preparation));
    if (preparation.is_done || !journal.moves_things()) return shared.reach("prepared");
    preparation.is_done = true;
    TRY(parts_.store.put_preparation(definition_.name, report_.number, preparation));
    return shared.reach("prepared");
  });
  if (!done) return done;
  done = timed(Phase::kTransfer, [&]() -> Result<void> {
    TRY(batches.send(Submission::Kind::kCopy));
    TRY(batches.send(Submission::Kind::kCheck));
    TRY(batches.wait());
    TRY(target.make_remaining());
    return shared.reach("transferred");
  });
  if (!done) return done;
  return timed(Phase::kDelete, [&]() -> Result<void> {
    TRY(target.archive_removed());
    TRY(batches.send(Submission::Kind::kDelete));
    return batches.wait();
  });
}

Result<void> Pass::save(const Journal& journal, const Outcome& outcome) {
  log_info("sync {}: saving", definition_.name);
  const SaveRequest request{catalog_.get(),
                            journal,
                            outcome.confirmed,
                            {definition_.name, report_.number, rules_.fingerprint()},
                            outcome.cleared};
  return save_catalog(request, parts_.files.catalog(definition_.name));
}

// What failed now, with its back-off; `recovered` are the paths that are no longer due.
std::vector<Failure> Pass::due_failures(const Journal& journal, const Outcome& outcome,
                                        std::vector<std::string>& recovered) const {
  std::vector<Failure> failed = outcome.failures;
  std::unordered_map<std::string_view, int> attempts;
  for (const Failure& failure : failures_) attempts[failure.path] = failure.attempts;
  std::unordered_set<std::string_view> failing;
  for (Failure& failure : failed) {
    const auto before = attempts.find(failure.path);
    failure.attempts = (before == attempts.end() ? 0 : before->second) + 1;
    failure.next_try = parts_.clock.now() + back_off(failure.attempts);
    failing.insert(failure.path);
  }
  for (const Failure& failure : failures_) {
    if (failing.contains(failure.path)) continue;
    const RelPath path = RelPath::from_normal(failure.path);
    bool is_due = is_partial_;  // a partial pass says nothing of what it did not look at
    if (const auto record = journal.find(path.parent().text())) {
      std::uint64_t ordinal = journal.first_ordinal(*record);
      JournalEntry entry;
      for (EntryCursor cursor = journal.entries(*record); cursor.next(entry); ++ordinal) {
        if (entry.name == path.name()) is_due = !outcome.confirmed[ordinal];
      }
    }
    if (!is_due) recovered.push_back(failure.path);
  }
  return failed;
}

// Saves what was achieved and ends the pass.
Result<void> Pass::settle(const Journal& journal, Outcome& outcome) {
  TRY(timed(Phase::kSave, [&] { return save(journal, outcome); }));
  report_.counts.failed += outcome.failed;
  report_.tasks = outcome.tasks;
  for (Problem& problem : outcome.problems) {
    if (report_.problems.size() < kMaxProblems) report_.problems.push_back(std::move(problem));
  }
  const bool incomplete = report_.counts.failed + report_.counts.unreadable > 0;
  report_.end = incomplete ? PassEnd::kIncomplete : PassEnd::kDone;
  if (incomplete) {
    report_.message = fmt::format(
        "{} changes failed and {} directories could not be read; they are due again in the next "
        "pass",
        report_.counts.failed, report_.counts.unreadable);
  }
  if (parts_.fault) TRY(parts_.fault("saved"));
  std::vector<std::string> recovered;
  const std::vector<Failure> failed = due_failures(journal, outcome, recovered);
  TRY(parts_.store.end_pass(definition_.name, record(), failed, recovered));
  if (parts_.fault) TRY(parts_.fault("ended"));
  ::unlink(parts_.files.journal(definition_.name).c_str());
  return {};
}

// Nothing is to be sent. The catalog is written again only if it knows more now.
Result<PassReport> Pass::end_without_work(const Journal* journal) {
  if (is_partial_ && report_.counts.unreadable + report_.counts.failed == 0) return report_;
  TRY_ASSIGN(report_.number, parts_.store.begin_pass(definition_.name, record()));
  if (journal != nullptr) {
    const Outcome nothing(journal->entry_count());
    TRY(timed(Phase::kSave, [&] { return save(*journal, nothing); }));
  }
  const bool incomplete = report_.counts.failed + report_.counts.unreadable > 0;
  report_.end = incomplete ? PassEnd::kIncomplete : PassEnd::kDone;
  if (incomplete) report_.message = "some of the source could not be read; see the problems";
  std::vector<std::string> recovered;
  if (is_full_ && report_.counts.delayed + report_.counts.not_quiet == 0) {
    for (const Failure& failure : failures_) recovered.push_back(failure.path);
  }
  TRY(parts_.store.end_pass(definition_.name, record(), {}, recovered));
  return report_;
}

Result<PassReport> Pass::run() {
  log_info("sync {}: checking", definition_.name);
  TRY_ASSIGN(const tasks::Claim claim, parts_.claims.acquire(kSyncClaim, definition_.name));
  if (!options_.dry_run) TRY(finish_earlier());
  TRY(begin());

  auto tree = open_source(parts_.service, definition_.source, rules_);
  if (!tree) {
    if (tree.error().code != Code::kNotFound || catalog_ == nullptr)
      return std::move(tree).error().with_context("open the source");
    TRY(stop_before_anything(
        fmt::format("the source has vanished: {}; nothing was deleted. Bring it back, "
                    "or remove the sync",
                    tree.error().message)));
    return report_;
  }
  JournalWriter writer(parts_.files.journal(definition_.name));
  TRY_ASSIGN(const ScanResult seen,
             timed(Phase::kScan, [&] { return scan_source(**tree, writer); }));
  if (writer.empty()) return options_.dry_run ? report_ : end_without_work(nullptr);

  if (!options_.allow_deletions && is_vanished(seen)) {
    TRY_ASSIGN(const bool vanished, brake(seen, {}));
    CHECK(vanished);
    return report_;
  }
  TRY_ASSIGN(const auto journal, timed(Phase::kPlan, [&] { return plan(writer); }));
  // A plan that could not look at the target while it was made would copy what it could rename.
  if (stop_.stop_requested()) return make_error(Code::kCancelled, "the pass was stopped");
  TRY_ASSIGN(const Tally found, tally(*journal, catalog_.get(), options_.on_change));
  report_.counts.added = found.counts.added;
  report_.counts.modified = found.counts.modified;
  report_.counts.attributes = found.counts.attributes;
  report_.counts.renamed = found.counts.renamed;
  report_.counts.removed = found.counts.removed;
  report_.counts.delayed = found.counts.delayed;
  report_.counts.bytes = found.counts.bytes;
  TRY_ASSIGN(const bool stop, brake(seen, found));
  if (stop || options_.dry_run) return report_;
  if (!journal->has_actions())
    return end_without_work(journal->entry_count() == 0 ? journal.get() : nullptr);

  TRY_ASSIGN(report_.number, parts_.store.begin_pass(definition_.name, record()));
  TRY(writer.seal(*journal, {report_.number, catalog_identity(catalog_.get())}));
  if (parts_.fault) TRY(parts_.fault("sealed"));
  Outcome outcome(journal->entry_count());
  TRY(execute(*journal, {}, outcome), "pass {} of sync '{}'", report_.number, definition_.name);
  TRY(settle(*journal, outcome));
  return report_;
}

}  // namespace

Result<std::unique_ptr<SourceTree>> open_source(tasks::TransferService& service,
                                                const Place& source, const Rules& rules) {
  if (!source.host.empty()) return open_host_tree(source.host, RelPath(), rules);
  TRY_ASSIGN(const auto root, service.host_directory(source.endpoint));
  if (root) return open_host_tree(*root, source.path, rules);
  return open_remote_tree(service, source, rules);
}

Result<PassParts> parts_for(const PassParts& parts, const SyncDefinition& definition) {
  if (definition.service.empty()) return parts;
  if (!parts.service_of) {
    return make_error(Code::kUnsupported, "sync '{}' is of service '{}', which is not known here",
                      definition.name, definition.service);
  }
  TRY_ASSIGN(tasks::TransferService * service, parts.service_of(definition.service), "service '{}'",
             definition.service);
  return PassParts{*service,    parts.store, parts.claims, parts.clock,
                   parts.files, parts.owner, parts.fault,  parts.service_of};
}

Result<PassReport> run_pass(const PassParts& all, const SyncDefinition& definition,
                            const PassOptions& options, std::stop_token stop) {
  TRY_ASSIGN(const PassParts asked, parts_for(all, definition));
  // A stop also ends the call that is under way.
  const std::unique_ptr<tasks::TransferService> service = asked.service.until(stop);
  const PassParts parts{service ? *service : asked.service,
                        asked.store,
                        asked.claims,
                        asked.clock,
                        asked.files,
                        asked.owner,
                        asked.fault,
                        asked.service_of};
  return Pass(parts, definition, options, std::move(stop)).run();
}

}  // namespace wherry::sync
