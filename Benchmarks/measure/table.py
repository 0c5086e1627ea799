"""What is a result, was its target reached, and how is it shown?"""

from dataclasses import dataclass


@dataclass
class Target:
    """A bound on a row's value, or on its ratio to the reference."""

    bound: float
    at_least: bool = True
    of_ratio: bool = False


@dataclass
class Row:
    """One measured value, with what was measured beside it in the same run."""

    what: str
    value: float
    unit: str
    reference: str = ""
    reference_value: float | None = None
    target: Target | None = None

    @property
    def ratio(self):
        return self.value / self.reference_value if self.reference_value else None

    def cells(self):
        reference = f"{self.reference}: {number(self.reference_value)} {self.unit}" if self.ratio else "–"
        ratio = f"{self.ratio:.2f} ×" if self.ratio else "–"
        return [self.what, f"{number(self.value)} {self.unit}", reference, ratio, *self.verdict()]

    def verdict(self):
        """The target, and whether it was reached or by how much it was missed."""
        if self.target is None:
            return ["–", "–"]
        bound, at_least = self.target.bound, self.target.at_least
        found = self.ratio if self.target.of_ratio else self.value
        unit = "×" if self.target.of_ratio else self.unit
        text = f"{'≥' if at_least else '≤'} {number(bound)} {unit}"
        if found is None:
            return [text, "not measured"]
        if found >= bound if at_least else found <= bound:
            return [text, "reached"]
        return [text, f"missed by {abs(found / bound - 1) * 100:.0f} %"]


HEAD = ["What", "OpenAgent", "Beside it", "Ratio", "Target", "Result"]


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}"


def markdown(rows):
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
