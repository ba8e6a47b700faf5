#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <span>

#include "common/routes/answers.h"
#include "common/routes/layout.h"

namespace quartet::app {
namespace {

constexpr std::string_view kStyle = R"(
:root { font: 15px/1.4 system-ui, sans-serif; color: #1d2330; background: #fff; }
body { max-width: 62rem; margin: 0 auto; padding: 1.2rem 1rem 3rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; max-width: 46rem; }
code, .address, .line { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
.facts { display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .8rem 0; padding: 0; list-style: none; }
.facts b { font-size: 1.15rem; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .8rem 0 1rem; font-size: .87rem; }
.key i { display: inline-block; width: 1.6rem; height: .9rem; margin-right: .4rem; border: 1px solid #8891a5;
  vertical-align: -.1rem; }
.row { display: grid; grid-template-columns: 7.2rem 8rem 1fr; column-gap: .7rem; break-inside: avoid; }
.address { font-size: .75rem; color: #5b6478; text-align: right; align-self: end; line-height: 1; }
.bar { position: relative; display: flex; flex-direction: column; border: 1px solid #8891a5;
  margin-top: -1px; }
.bar > div { min-height: 2px; }
.x { background: #c9d8f5; } .w { background: #fbe7bd; } .s { background: #bfe6d3; } .r { background: #e6e9ef; }
.n { background: repeating-linear-gradient(45deg, #fff 0 4px, #d5dae4 4px 6px); }
.bar > i { position: absolute; left: 0; right: -.7rem; height: 3px; margin-top: -1px; background: var(--c); }
code { font-size: .8rem; white-space: nowrap; margin-left: .2rem; }
.labels { padding: .05rem 0 .15rem; min-width: 0; overflow-wrap: anywhere; }
.quiet { color: #5b6478; font-size: .87rem; }
.pin { width: fit-content; margin: .15rem 0; padding: .05rem .6rem; border-left: .4rem solid var(--c);
  background: #f2f4f8; background: color-mix(in srgb, var(--c) 13%, #fff); border-radius: 0 .3rem .3rem 0; font-size: .92rem; }
.pin .address { color: #1d2330; margin: 0 .4rem; }
.gap .bar { border: 0; border-left: 2px dotted #b4bccb; border-right: 2px dotted #b4bccb; margin: 0;
  min-height: 2.4rem; justify-content: center; }
.gap .bar::after { content: "\2248"; font-size: 1.7rem; line-height: 1; color: #8891a5; text-align: center; }
.gap .labels { align-self: center; }
dl { margin: 0; }
dt { margin-top: .6rem; font-weight: 600; }
dd { margin: 0; overflow-x: auto; }
.line { font-size: .8rem; white-space: pre; }
@media (max-width: 40rem) {
  body { padding: .8rem .6rem 2rem; }
  .row { grid-template-columns: 5.6rem 3.2rem 1fr; column-gap: .5rem; }
  .address { font-size: .65rem; }
  .pin .address { font-size: .75rem; }
  .bar > i { right: -.5rem; }
}
@media print { * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .line { white-space: pre-wrap; } }
)";

std::string_view colour_of(std::string_view landmark) {
  static const std::map<std::string_view, std::string_view> colours{
      {"stack", "#d1304f"}, {"guard page", "#6b1a1a"}, {"thread-local", "#b0219b"},   {"heap", "#d96a00"},
      {"bss", "#8a7400"},   {"data", "#2b8a3e"},       {"read-only data", "#0b7a99"}, {"code", "#2f55d4"}};
  const auto found = colours.find(landmark);
  return found == colours.end() ? "#000" : found->second;
}

/// "132 KiB", "8.0 MiB", "46.2 TiB"
std::string format_size(std::uintptr_t bytes) {
  constexpr std::array kUnits{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024; ++unit) size /= 1024;
  const int decimals = size < 10 && size != std::floor(size) ? 1 : 0;
  return fmt::format("{:.{}f} {}", size, decimals, kUnits.at(unit));
}

/// Drawn heights: a page has 16 pixels, and every doubling 5 more.
double height_of(std::uintptr_t bytes) {
  return 16 + 5 * std::log2(std::max(1.0, static_cast<double>(bytes) / 4096));
}

/// What is drawn as one: a region with landmarks, or neighbours of the same name without.
struct Block {
  std::span<const Region> regions;
  std::vector<const Landmark*> landmarks;

  std::uintptr_t begin() const { return regions.front().begin; }
  std::uintptr_t end() const { return regions.back().end; }
  std::string_view name() const { return regions.front().name; }
  bool takes(const Region& next) const {
    return landmarks.empty() && end() == next.begin && name() == next.name;
  }
};

std::vector<const Landmark*> landmarks_in(const Region& region, const Layout& layout) {
  std::vector<const Landmark*> inside;
  for (const Landmark& landmark : layout.landmarks) {
    if (region.contains(landmark.address)) inside.push_back(&landmark);
  }
  return inside;
}

/// From the lowest to the highest, without the page that the kernel shows of its own half.
std::vector<Block> blocks_of(const Layout& layout) {
  std::vector<Block> blocks;
  for (const Region& region : layout.regions) {
    if (region.name == "[vsyscall]") continue;
    auto landmarks = landmarks_in(region, layout);
    if (landmarks.empty() && !blocks.empty() && blocks.back().takes(region)) {
      Block& block = blocks.back();
      block.regions = {block.regions.data(), block.regions.size() + 1};
    } else {
      blocks.push_back({{&region, 1}, std::move(landmarks)});
    }
  }
  return blocks;
}

/// The class that colours it.
char kind_of(const Region& region) {
  const std::string_view permissions = region.permissions;  // "rwxp": p for private, s for shared
  if (permissions[2] == 'x') return 'x';
  if (permissions[1] == 'w') return permissions[3] == 's' ? 's' : 'w';
  return permissions[0] == 'r' ? 'r' : 'n';
}

std::string permissions_of(const Block& block) {
  std::set<std::string_view> seen;
  std::string list;
  for (const Region& region : block.regions) {
    if (seen.insert(region.permissions).second) list += fmt::format(" <code>{}</code>", region.permissions);
  }
  return list;
}

/// "/usr/lib/libc.so.6" -> "libc.so.6"
std::string_view short_name(std::string_view name) {
  if (name.empty()) return "anonymous";
  if (name == "/dev/zero (deleted)") return "anonymous, shared with forked processes";  // as mmap(2) makes it
  return name.substr(name.rfind('/') + 1);
}

/// Where the landmarks of a block are drawn, in percent of the bar from its top: apart, and inside.
std::vector<double> places_of(const Block& block) {
  constexpr double kApart = 7;
  std::vector<double> places;
  for (std::size_t i = 0; i < block.landmarks.size(); ++i) {
    const auto from_top = static_cast<double>(block.end() - block.landmarks[i]->address);
    const double place = 100 * from_top / static_cast<double>(block.end() - block.begin());
    const double lowest = 95 - kApart * static_cast<double>(block.landmarks.size() - 1 - i);
    places.push_back(std::max(std::min(place, lowest), (i == 0 ? 0 : places.back()) + kApart));
  }
  return places;
}

std::string bar(const Block& block) {
  std::string html = fmt::format("<div class=\"bar\" style=\"min-height:{:.0f}px\">",
                                 height_of(block.end() - block.begin()));
  for (auto region = block.regions.rbegin(); region != block.regions.rend(); ++region)
    html += fmt::format("<div class=\"{}\" style=\"flex:{:.0f}\"></div>", kind_of(*region),
                        height_of(region->size()));
  const auto places = places_of(block);
  for (std::size_t i = 0; i < places.size(); ++i) {
    html +=
        fmt::format("<i style=\"top:{:.0f}%;--c:{}\"></i>", places[i], colour_of(block.landmarks[i]->name));
  }
  return html + "</div>";
}

std::string pin(std::string_view name, std::string_view address, std::string_view meaning) {
  return fmt::format("<div class=\"pin\" style=\"--c:{}\"><b>{}</b><span class=\"address\">{}</span>{}</div>",
                     colour_of(name), name, address, escape_html(meaning));
}

std::string labels(const Block& block) {
  const std::size_t count = block.regions.size();
  std::string html =
      fmt::format("<div class=\"labels\"><span title=\"{}\">{}</span> <span class=\"quiet\">{}{}{}</span>",
                  escape_html(block.name()), escape_html(short_name(block.name())),
                  format_size(block.end() - block.begin()),
                  count == 1 ? "" : fmt::format(", {} regions", count), permissions_of(block));
  for (const Landmark* landmark : block.landmarks)
    html += pin(landmark->name, fmt::format("{:012x}", landmark->address), landmark->meaning);
  return html + "</div>";
}

std::string block_row(const Block& block) {
  return fmt::format("<div class=\"row\"><div class=\"address\">{:012x}</div>{}{}</div>\n", block.begin(),
                     bar(block), labels(block));
}

std::string gap_row(std::uintptr_t size, std::string_view note) {
  return fmt::format(
      "<div class=\"row gap\"><div></div><div class=\"bar\"></div><div class=\"labels\">"
      "<span class=\"quiet\">{} not mapped</span>{}</div></div>\n",
      format_size(size), note);
}

/// What is worth saying about the gap below a block.
std::string note_below(const Block& block, bool lowest, const Layout& layout) {
  const bool stack =
      std::ranges::any_of(block.landmarks, [](const Landmark* each) { return each->name == "stack"; });
  if (stack && !layout.no_guard.empty()) return pin("guard page", "", layout.no_guard);
  return lowest ? "<div class=\"quiet\">down to 0, where null pointers point</div>" : "";
}

/// High addresses first: a stack grows down.
std::string picture(const Layout& layout) {
  const auto blocks = blocks_of(layout);
  std::string html;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    html += block_row(blocks[i]);
    const std::uintptr_t gap = blocks[i].begin() - (i == 0 ? 0 : blocks[i - 1].end());
    if (gap > 0) html += gap_row(gap, note_below(blocks[i], i == 0, layout));
  }
  return html;
}

std::string facts(const Layout& layout) {
  return fmt::format(
      "<ul class=\"facts\"><li>process <b>{}</b><li>thread <b>{}</b>, {}<li>worker <b>{}</b>"
      "<li>generation <b>{}</b></ul>\n",
      layout.process, layout.thread, layout.main_thread() ? "the main thread" : "not the main thread",
      layout.worker, layout.generation);
}

std::string lines(const Layout& layout) {
  std::string html = "<dl>\n";
  for (const auto& [name, meaning, address] : layout.landmarks) {
    const Region* region = find_region(layout.regions, address);
    html += fmt::format("<dt>{} <span class=\"address\">{:012x}</span><dd class=\"line\">{}\n", name, address,
                        region ? escape_html(region->line) : "not mapped");
  }
  if (!layout.no_guard.empty()) html += fmt::format("<dt>guard page<dd>{}\n", escape_html(layout.no_guard));
  return html + "</dl>\n";
}

constexpr std::string_view kIntroduction =
    "<p>Load this page again, from other clients as well. Another <em>thread</em> has its own stack and "
    "thread-local data, and everything else is the same memory. Another <em>process</em> may show the very "
    "same "
    "addresses: what it writes there is still its own.</p>\n";

constexpr std::string_view kKey =
    "<div class=\"key\"><span><i class=\"x\"></i>executable</span><span><i class=\"w\"></i>writable</span>"
    "<span><i class=\"s\"></i>writable, shared</span>"
    "<span><i class=\"r\"></i>read-only</span><span><i class=\"n\"></i>no access</span>"
    "<span>On the left is the lowest address of each. Heights are logarithmic: double the size, 5 pixels "
    "more.</span></div>\n";

}  // namespace

std::string layout_page(const Layout& layout) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>Memory of process {}</title>\n<style>{}</style>\n<h1>The address space behind this "
      "answer</h1>\n"
      "{}{}{}{}<h2>Lines of /proc/self/maps</h2>\n{}</html>\n",
      layout.process, kStyle, facts(layout), kIntroduction, kKey, picture(layout), lines(layout));
}

}  // namespace quartet::app
