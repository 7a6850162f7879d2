// SPDX-License-Identifier: Apache-2.0
// wherry bookmark: names for directories that are used again and again.
#include "base/clock.h"
#include "base/path.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "endpoints/bookmarks.h"

namespace wherry::cli {
namespace {

using endpoints::Bookmark;
using endpoints::Bookmarks;

Bookmarks bookmarks_of(app::Wherry& wherry) {
  return Bookmarks({wherry.database(), system_clock(), system_random()});
}

// Of an endpoint that is gone: nothing.
std::string endpoint_name(app::Wherry& wherry, const Bookmark& bookmark) {
  const auto endpoint = wherry.endpoints().get(bookmark.endpoint);
  return endpoint ? endpoint->display_name : std::string();
}

Record bookmark_record(app::Wherry& wherry, const Bookmark& bookmark) {
  return {"bookmark",
          {{"name", "Name", bookmark.name},
           {"id", "ID", bookmark.id},
           {"endpoint_id", "Endpoint ID", bookmark.endpoint},
           {"endpoint_name", "Endpoint Name", Bytes{endpoint_name(wherry, bookmark)}},
           {"path", "Path", Bytes{bookmark.path}}}};
}

Result<int> create_bookmark(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const Place place,
             resolve_place(wherry->endpoints(), arguments.text("ENDPOINT:PATH")));
  const std::string path = "/" + place.path.text();
  const std::string end = place.ends_in_slash && path != "/" ? "/" : "";
  TRY_ASSIGN(const Bookmark bookmark,
             bookmarks_of(*wherry).create(wherry->owner(),
                                          {arguments.text("NAME"), place.endpoint.id, path + end}));
  if (context.output().format() == Format::kText)
    context.output().raw(fmt::format("Bookmark ID: {}\n", bookmark.id));
  else
    context.output().record(bookmark_record(*wherry, bookmark));
  return kExitDone;
}

Result<int> list_bookmarks(Context& context, const Arguments&) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const auto found, bookmarks_of(*wherry).list(wherry->owner()));
  Output::Table table(context.output(), "bookmark_list",
                      {{"name", "Name"},
                       {"id", "Bookmark ID"},
                       {"endpoint_id", "Endpoint ID"},
                       {"endpoint_name", "Endpoint Name"},
                       {"path", "Path"}});
  for (const Bookmark& bookmark : found) {
    table.row({bookmark.name, bookmark.id, bookmark.endpoint,
               Bytes{endpoint_name(*wherry, bookmark)}, Bytes{bookmark.path}});
  }
  table.finish();
  return kExitDone;
}

Result<int> show_bookmark(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const Bookmark bookmark,
             bookmarks_of(*wherry).find(wherry->owner(), arguments.text("BOOKMARK")));
  // As other commands take it, byte for byte: `wherry ls "$(wherry bookmark show data)"`.
  if (context.output().format() == Format::kText && !arguments.has("verbose"))
    context.output().raw(fmt::format("{}:{}\n", bookmark.endpoint, bookmark.path));
  else
    context.output().record(bookmark_record(*wherry, bookmark));
  return kExitDone;
}

Result<int> rename_bookmark(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  Bookmarks bookmarks = bookmarks_of(*wherry);
  TRY_ASSIGN(const Bookmark before, bookmarks.find(wherry->owner(), arguments.text("BOOKMARK")));
  TRY_ASSIGN(const Bookmark after,
             bookmarks.rename(wherry->owner(), before.id, arguments.text("NEW_NAME")));
  if (context.output().format() == Format::kText)
    context.output().raw("Success\n");
  else
    context.output().record(bookmark_record(*wherry, after));
  return kExitDone;
}

Result<int> remove_bookmark(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  Bookmarks bookmarks = bookmarks_of(*wherry);
  TRY_ASSIGN(const Bookmark bookmark, bookmarks.find(wherry->owner(), arguments.text("BOOKMARK")));
  TRY(bookmarks.remove(wherry->owner(), bookmark.id));
  context.output().message("Deleted",
                           fmt::format("Bookmark '{}' deleted successfully", bookmark.name));
  return kExitDone;
}

const PositionalSpec kBookmark = {.name = "BOOKMARK", .help = "Name or id of the bookmark."};

}  // namespace

std::span<const Command> bookmark_commands() {
  static const Command commands[] = {
      {.name = "bookmark create",
       .summary = "Give a directory of an endpoint a name.",
       .positionals = {{.name = "ENDPOINT:PATH",
                        .kind = ValueKind::kLocation,
                        .help = "The directory. It need not be there yet."},
                       {.name = "NAME", .help = "Upper and lower case differ."}},
       .handler = create_bookmark,
       .examples = {"wherry bookmark create lab:/run42/ data"}},
      {.name = "bookmark list", .summary = "List your bookmarks.", .handler = list_bookmarks},
      {.name = "bookmark show",
       .summary = "Print ENDPOINT:PATH of a bookmark, for other commands.",
       .description = "Use it as in: wherry ls \"$(wherry bookmark show data)\". With --verbose it "
                      "prints all that is known of the bookmark.",
       .positionals = {kBookmark},
       .handler = show_bookmark},
      {.name = "bookmark rename",
       .summary = "Give a bookmark another name.",
       .positionals = {kBookmark, {.name = "NEW_NAME", .help = "The name from now on."}},
       .handler = rename_bookmark},
      {.name = "bookmark delete",
       .summary = "Delete a bookmark; what it names stays.",
       .positionals = {kBookmark},
       .handler = remove_bookmark},
  };
  return commands;
}

}  // namespace wherry::cli
