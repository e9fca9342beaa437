// SPDX-License-Identifier: GPL-2.0-only
// A picture laid out on a plane: boxes, lines and labels with their places, in pixels. Pure.
#pragma once

#include <string>
#include <vector>

#include "lib/picture.hpp"

namespace svma {

struct Box {
  double x = 0, y = 0, width = 0, height = 0;
  std::string fill;
  std::string stroke;
  double stroke_width = 1;
  std::string title;  // shown when the pointer rests on it
};

struct Line {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool arrow = false;
};

enum class Anchor { kStart, kMiddle, kEnd };

// Every character is as wide as the others.
struct Label {
  double x = 0, y = 0;  // of the anchor, on the base line
  double size = 11;
  std::string text;
  Anchor anchor = Anchor::kStart;
  bool bold = false;
  std::string title;

  double width() const { return text_length(text) * size * 0.6; }
  double left() const;
  double right() const { return left() + width(); }
  double top() const { return y - 0.8 * size; }
  double bottom() const { return y + 0.22 * size; }
};

// Painted in this order: boxes cover lines, labels cover boxes.
struct Drawing {
  double width = 0, height = 0;
  std::string title;
  std::vector<Line> lines;
  std::vector<Box> boxes;
  std::vector<Label> labels;
};

Drawing draw(const Picture& picture);

// "#e69f00". Told apart by the colour-blind and, by how light they are, in print.
const char* fill_colour(Fill fill);

}  // namespace svma
