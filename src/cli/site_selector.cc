// SPDX-License-Identifier: Apache-2.0
#include "cli/site_selector.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/clock.h"
#include "base/file.h"
#include "tasks/claim.h"

namespace wherry::cli {
namespace {

using jobs::Site;
using jobs::SiteId;

bool is_same_directory(const std::string& path, const std::string& other) {
  struct stat first {};
  struct stat second {};
  return ::stat(path.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// The working directory as the shell knows it and as the kernel does: a site below a symlink is
// stored by the path that its user typed.
std::vector<std::string> working_directories(Context& context) {
  std::vector<std::string> names;
  const auto logical = context.environment()("PWD");
  if (logical && logical->starts_with('/') && is_same_directory(*logical, "."))
    names.push_back(*logical);
  char physical[PATH_MAX];
  if (::getcwd(physical, sizeof physical) != nullptr) names.emplace_back(physical);
  return names;
}

// kNotFound if there is none.
Result<Site> enclosing_site(Context& context, app::Wherry& wherry) {
  for (const std::string& directory : working_directories(context)) {
    auto found = wherry.jobs().sites.enclosing(directory);
    if (found || found.error().code != Code::kNotFound) return found;
  }
  return make_error(Code::kNotFound, "the working directory is in no site");
}

Result<std::vector<SiteId>> active_sites(app::Wherry& wherry) {
  TRY_ASSIGN(const std::vector<Site> sites, wherry.jobs().sites.list());
  std::vector<SiteId> active;
  for (const Site& site : sites) {
    TRY_ASSIGN(const auto holder, holder_of(wherry, site.id));
    if (holder) active.push_back(site.id);
  }
  if (active.empty())
    return make_error(Code::kNotFound, "no site is active; `wherry site start` runs one");
  return active;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

Result<std::optional<tasks::Holder>> holder_of(app::Wherry& wherry, SiteId site) {
  tasks::Claims claims(wherry.database(), system_clock());
  return claims.holder("site", std::to_string(site));
}

Result<Site> find_site(Context& context, const std::string& selector) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  if (!selector.empty() && selector != "this") return wherry->jobs().sites.resolve(selector);
  auto found = enclosing_site(context, *wherry);
  if (found || found.error().code != Code::kNotFound) return found;
  return make_error(Code::kInvalid,
                    "the working directory is in no site: name one (`wherry site ls` shows them),"
                    " or make one with `wherry site init PATH -n NAME`");
}

PositionalSpec site_positional() {
  return {
      .name = "SITE",
      .kind = ValueKind::kSite,
      .help = "Number, name or part of the path; without it, the site in whose directory you are.",
      .count = PositionalSpec::Count::kOptional};
}

PositionalSpec named_site_positional() {
  return {.name = "SITE", .kind = ValueKind::kSite, .help = "Number, name or part of the path."};
}

Result<Site> site_option(Context& context, const Arguments& arguments) {
  return find_site(context, arguments.text("site"));
}

OptionSpec site_option_spec() {
  return {.name = "site",
          .value = "SITE",
          .help =
              "Number, name or part of the path of a site; without it, the site in whose"
              " directory you are.",
          .kind = ValueKind::kSite};
}

Result<std::vector<SiteId>> sites_option(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  if (!arguments.has("site")) {
    auto site = enclosing_site(context, *wherry);
    if (site) return std::vector<SiteId>{site->id};
    if (site.error().code == Code::kNotFound) return std::vector<SiteId>{};
    return std::move(site).error();
  }
  std::vector<SiteId> ids;
  for (const std::string& text : arguments.all("site")) {
    for (const std::string& selector : split_at_commas(text)) {
      if (selector == "all") return std::vector<SiteId>{};
      if (selector == "active") {
        TRY_ASSIGN(const auto active, active_sites(*wherry));
        ids.insert(ids.end(), active.begin(), active.end());
        continue;
      }
      TRY_ASSIGN(const Site site, find_site(context, selector), "--site");
      ids.push_back(site.id);
    }
  }
  if (ids.empty()) return make_error(Code::kInvalid, "--site names no site");
  return ids;
}

OptionSpec sites_option_spec() {
  return {.name = "site",
          .value = "SITE",
          .help =
              "Number, name or part of the path of a site, several with commas between them,"
              " 'this', 'active' or 'all'; without it, the site in whose directory you are, or"
              " all.",
          .kind = ValueKind::kSite,
          .times = OptionSpec::Times::kMany};
}

}  // namespace wherry::cli
