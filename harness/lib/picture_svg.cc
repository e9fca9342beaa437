// SPDX-License-Identifier: GPL-2.0-only
#include "lib/picture_svg.hpp"

#include <fmt/format.h>

namespace svma {
namespace {

const char* anchor_name(Anchor anchor) {
  switch (anchor) {
    case Anchor::kStart:
      return "start";
    case Anchor::kMiddle:
      return "middle";
    case Anchor::kEnd:
      return "end";
  }
  return "start";
}

std::string title_of(const std::string& title) {
  return title.empty() ? "" : "<title>" + xml_escaped(title) + "</title>";
}

// Without the declaration of XML, so that HTML can have it, too.
std::string svg_element(const Drawing& drawing) {
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" "
      "fill=\"#222222\">\n<title>{2}</title>\n"
      "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "
      "markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      drawing.width, drawing.height, xml_escaped(drawing.title));
  for (const Line& line : drawing.lines)
    text += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#777777\"{}/>\n",
        line.x1, line.y1, line.x2, line.y2, line.arrow ? " marker-end=\"url(#arrow)\"" : "");
  for (const Box& box : drawing.boxes)
    text += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\" "
        "stroke=\"{}\" stroke-width=\"{}\">{}</rect>\n",
        box.x, box.y, box.width, box.height, box.fill, box.stroke, box.stroke_width,
        title_of(box.title));
  // The length is told, so that another font than the one that was reckoned with fits as well.
  for (const Label& label : drawing.labels)
    text += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" text-anchor=\"{}\"{} "
        "textLength=\"{:.1f}\" lengthAdjust=\"spacingAndGlyphs\">{}{}</text>\n",
        label.x, label.y, label.size, anchor_name(label.anchor),
        label.bold ? " font-weight=\"bold\"" : "", label.width(), title_of(label.title),
        xml_escaped(label.text));
  return text + "</svg>\n";
}

// Bytes of the UTF-8 character at `at`, 0: it is none, or one that XML can't have.
size_t character_length(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(i < text.size() ? text[i] : 0);
  };
  const unsigned char first = byte(at);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  uint32_t code = length ? first & (0x7f >> length) : 0;
  for (size_t i = 1; i < length; ++i) {
    if (byte(at + i) >> 6 != 2) return 0;
    code = code << 6 | (byte(at + i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kSmallest[length] || surrogate || code > 0x10ffff) return 0;
  return code == 0xfffe || code == 0xffff ? 0 : length;
}

}  // namespace

std::string xml_escaped(const std::string& text) {
  std::string escaped;
  for (size_t i = 0; i < text.size();) {
    const size_t length = character_length(text, i);
    if (!length) {
      escaped += '?';
      ++i;
      continue;
    }
    switch (text[i]) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += text.substr(i, length);
    }
    i += length;
  }
  return escaped;
}

std::string svg_text(const Drawing& drawing) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + svg_element(drawing);
}

std::string html_text(const Drawing& drawing) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n<title>" +
         xml_escaped(drawing.title) +
         "</title>\n<style>body{margin:0;background:#fff}svg{display:block;margin:auto;"
         "max-width:100%;height:auto}rect:hover{stroke-width:2}</style></head>\n<body>\n" +
         svg_element(drawing) + "</body></html>\n";
}

}  // namespace svma
