// SPDX-License-Identifier: Apache-2.0
#include "api/requests.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "api/json.h"
#include "api/paths.h"
#include "base/units.h"

namespace wherry::api {
namespace {

using engine::TransferItem;
using testing::HasSubstr;

constexpr std::string_view kHead =
    R"("submission_id":"s","source_endpoint":"AB","destination_endpoint":"cd","DATA":)";

Result<std::string> home(const endpoints::EndpointId& id) {
  if (id == "gone") return make_error(Code::kNotFound, "no endpoint 'gone'");
  return "/home/" + id;
}

Result<tasks::TransferRequest> transfer(const std::string& items, const std::string& rest = "") {
  return read_transfer(parse_object(fmt::format("{{{}{}{}}}", kHead, items, rest)).value(), home);
}

std::string refusal(const std::string& items, const std::string& rest = "") {
  const auto request = transfer(items, rest);
  if (request) return "accepted";
  EXPECT_EQ(request.error().code, Code::kInvalid);
  return request.error().message;
}

TEST(Requests, ATransferHasTheDefaultsOfTheContract) {
  const auto request = transfer(R"([{"source_path":"/a","destination_path":"/b/c/"}])",
                                R"(,"label":null,"deadline":null)");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->source_endpoint, "ab");
  EXPECT_EQ(request->target_endpoint, "cd");
  EXPECT_EQ(request->options.sync_level, engine::SyncLevel::kAlways);
  EXPECT_EQ(request->options.verify, engine::Verify::kSize);
  EXPECT_FALSE(request->deadline);
  ASSERT_EQ(request->items.size(), 1u);
  EXPECT_EQ(request->items[0].recursion, TransferItem::Recursion::kDetect);
  EXPECT_EQ(request->items[0].target.text(), "b/c");
}

TEST(Requests, EveryOptionOfATransferIsRead) {
  const auto request = transfer(
      R"([{"DATA_TYPE":"transfer_symlink_item","source_path":"/l","destination_path":"/m"},)"
      R"({"source_path":"/a","destination_path":"/b","recursive":false,"external_checksum":"00"},)"
      R"({"source_path":"/d","destination_path":"/e","recursive":true}])",
      R"(,"sync_level":3,"verify_checksum":true,"preserve_timestamp":true,"skip_source_errors":true,)"
      R"("fail_on_quota_errors":true,"delete_destination_extra":true,"recursive_symlinks":"copy",)"
      R"("deadline":"2030-01-01","label":"x","perf_cc":4,"notify_on_failed":false,)"
      R"("filter_rules":[{"method":"include","name":"*.h5","type":"file"}])");
  ASSERT_TRUE(request) << request.error().message;
  const engine::TransferOptions& options = request->options;
  EXPECT_EQ(options.sync_level, engine::SyncLevel::kChecksum);
  EXPECT_EQ(options.verify, engine::Verify::kChecksum);
  EXPECT_EQ(options.symlinks, engine::SymlinkPolicy::kCopy);
  EXPECT_TRUE(options.preserve_mtime && options.skip_source_errors && options.delete_extra);
  EXPECT_TRUE(options.fail_on_quota_errors);
  ASSERT_EQ(options.filters.size(), 1u);
  EXPECT_EQ(options.filters[0].pattern, "*.h5");
  EXPECT_EQ(request->deadline, parse_time("2030-01-01").value());
  EXPECT_EQ(request->items[0].kind, TransferItem::Kind::kSymlink);
  EXPECT_EQ(request->items[1].checksum->algorithm, HashAlgorithm::kMd5);
  EXPECT_EQ(request->items[1].recursion, TransferItem::Recursion::kNo);
  EXPECT_EQ(request->items[2].recursion, TransferItem::Recursion::kYes);
}

TEST(Requests, AnErrorNamesItemFieldAndWhatIsAllowed) {
  EXPECT_EQ(refusal(R"([{"source_path":"/a"}])"), "item 1: destination_path is missing");
  EXPECT_EQ(refusal(R"([{"source_path":"/a","destination_path":"/b","recursive":"yes"}])"),
            "item 1: recursive must be true or false");
  EXPECT_THAT(refusal(R"([{"source_path":"/a/../b","destination_path":"/b"}])"),
              HasSubstr("item 1: source_path is no path"));
  EXPECT_THAT(refusal(R"([{"DATA_TYPE":"delete_item"}])"), HasSubstr("transfer_symlink_item"));
  EXPECT_EQ(refusal("[7]"), "element 1 of DATA must be an object");
  EXPECT_THAT(refusal("{}"), HasSubstr("DATA must be an array"));
  EXPECT_EQ(refusal("[]", R"(,"sync_level":4)"), "sync_level must be 0, 1, 2, 3 or null");
  EXPECT_EQ(refusal("[]", R"(,"sync_level":"size")"), "sync_level must be 0, 1, 2, 3 or null");
  EXPECT_THAT(refusal("[]", R"(,"recursive_symlinks":"follow")"), HasSubstr("\"ignore\""));
  EXPECT_THAT(refusal("[]", R"(,"deadline":"soon")"), HasSubstr("deadline is no time"));
  EXPECT_THAT(refusal("[]", R"(,"filter_rules":[{"method":"drop","name":"x"}])"),
              HasSubstr("filter rule 1: method must be"));
  EXPECT_THAT(refusal("[]", R"(,"source_local_user":"root")"), HasSubstr("cannot be chosen"));
  EXPECT_EQ(refusal("[]"), "accepted") << "the caller tells that there are no items";
}

TEST(Requests, PathsBelowTheDefaultDirectoryAreFound) {
  const auto request = transfer(R"([{"source_path":"~/a","destination_path":"/~/b"},)"
                                R"({"source_path":"c/","destination_path":"/~b"}])");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->items[0].source.text(), "home/ab/a");
  EXPECT_EQ(request->items[0].target.text(), "home/cd/b");
  EXPECT_EQ(request->items[1].source.text(), "home/ab/c");
  EXPECT_EQ(request->items[1].target.text(), "~b");
}

TEST(Requests, AnUnknownEndpointIsReportedAsSuch) {
  const auto document =
      parse_object(R"({"submission_id":"s","endpoint":"gone","DATA":[{"path":"~/x"}]})").value();
  EXPECT_EQ(read_delete(document, home).error().code, Code::kNotFound);
}

TEST(Requests, NamesThatAreNotUtf8ComeBackAsTheyWere) {
  for (const std::string bytes : {"caf\xe9", "back\\slash", "\\x41", "tab\t", "a\\*b"}) {
    EXPECT_EQ(decode_bytes(escape_bytes(bytes)), bytes);
  }
  EXPECT_EQ(decode_bytes("a\\*b\\"), "a\\*b\\") << "an unescaped backslash stands for itself";
}

TEST(Requests, AFileThatIsReallyCalledTildeIsNotTheDefaultDirectory) {
  for (const char* text : {"~", "~/x", "~x", "a/~", ""}) {
    const RelPath path = RelPath::from_normal(text);
    EXPECT_EQ(read_path(path_text(path), "/home").value(), path) << path_text(path);
    EXPECT_EQ(read_path(directory_text(path), "/home").value(), path) << directory_text(path);
  }
}

TEST(Requests, ATransferThatIsSentIsReadAsTheSame) {
  tasks::TransferRequest sent;
  sent.submission_id = "s";
  sent.source_endpoint = "a";
  sent.target_endpoint = "b";
  sent.label = "x";
  sent.deadline = parse_time("2030-01-01").value();
  sent.options.sync_level = engine::SyncLevel::kMissing;
  sent.options.filters = {
      {engine::FilterRule::Method::kInclude, "caf\xe9", engine::FilterRule::Applies::kDirectories}};
  TransferItem item;
  item.source = RelPath::from_normal("caf\xe9/~");
  item.target = RelPath::from_normal("~x/\\");
  item.recursion = TransferItem::Recursion::kNo;
  item.checksum = engine::ExternalChecksum{HashAlgorithm::kSha256, "ab"};
  sent.items = {item};
  const auto text = to_text(transfer_document(sent));
  const auto got = read_transfer(parse_object(text).value(), home);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->items, sent.items);
  EXPECT_EQ(got->options, sent.options);
  EXPECT_EQ(got->deadline, sent.deadline);
  EXPECT_EQ(got->label, sent.label);
}

TEST(Requests, ADeleteNeverTakesEverything) {
  const auto read = [](const std::string& path) {
    return read_delete(
        parse_object(fmt::format(R"({{"submission_id":"s","endpoint":"e","recursive":true,)"
                                 R"("DATA":[{{"path":"{}"}}]}})",
                                 path))
            .value(),
        home);
  };
  for (const char* path : {"/", "//./", "~", "~/", "/~/", "/~", "~//", "."})
    EXPECT_FALSE(read(path)) << path;
  const auto request = read("~/x");
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->options.recursive);
  EXPECT_EQ(request->items[0].path.text(), "home/e/x");
}

TEST(Requests, FileOperationsAreReadAndWritten) {
  const RelPath a = RelPath::from_normal("a\xff");
  const RelPath b = RelPath::from_normal("d/b");
  EXPECT_EQ(read_make_directory(make_directory_document(a), "").value(), a);
  const RenameRequest rename = read_rename(rename_document({a, b}), "").value();
  EXPECT_EQ(rename.from, a);
  EXPECT_EQ(rename.to, b);
  const SymlinkRequest symlink = read_symlink(symlink_document({a, "../\xff"}), "").value();
  EXPECT_EQ(symlink.path, a);
  EXPECT_EQ(symlink.target, "../\xff");
  EXPECT_EQ(read_make_directory(parse_object(R"({"path":"d"})").value(), "/h").value().text(),
            "h/d");
  EXPECT_EQ(read_rename(parse_object(R"({"old_path":"/d"})").value(), "").error().message,
            "new_path is missing");
}

TEST(Requests, AnEndpointIsCreatedWithAHostInEitherSpelling) {
  for (const char* name : {"host_endpoint", "host_endpoint_id"}) {
    const auto creation = read_endpoint_creation(
        parse_object(fmt::format(R"({{"display_name":"s","{}":"h","host_path":"/d/"}})", name))
            .value());
    ASSERT_TRUE(creation) << creation.error().message;
    EXPECT_EQ(creation->host_endpoint, "h");
    EXPECT_EQ(creation->host_path, "/d/");
  }
}

TEST(Requests, AnEndpointChangeTellsAbsentFromCleared) {
  const auto change = read_endpoint_change(
      parse_object(R"({"display_name":null,"description":null,"keywords":" a, b,"})").value());
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_FALSE(change->display_name);
  EXPECT_EQ(change->description, "");
  EXPECT_FALSE(change->organization);
  EXPECT_EQ(change->keywords, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(change->requires_data_access);
  EXPECT_TRUE(change->info.empty());
  const auto texts = read_endpoint_change(
      parse_object(R"({"contact_info":null,"info_link":"x","requires_data_access":true})").value());
  ASSERT_TRUE(texts) << texts.error().message;
  ASSERT_EQ(texts->info.size(), 2u);
  EXPECT_EQ(texts->info[0].which, &endpoints::EndpointInfo::contact_info);
  EXPECT_EQ(texts->info[0].text, "");
  EXPECT_EQ(texts->info[1].text, "x");
  EXPECT_EQ(texts->requires_data_access, true);
}

TEST(Requests, ATaskChangeIsReadAndWritten) {
  const tasks::TaskChange change{"new", parse_time("2031-01-01").value()};
  const auto got = read_task_change(task_change_document(change));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->label, change.label);
  EXPECT_EQ(got->deadline, change.deadline);
}

}  // namespace
}  // namespace wherry::api
