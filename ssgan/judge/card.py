"""The report as a model card: the same sections in Markdown, under the metadata that Hugging Face reads.

https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from ssgan.contract import Contract
from ssgan.judge import words
from ssgan.judge.document import (
    Block,
    Cell,
    Document,
    Figure,
    Fold,
    Items,
    Place,
    Section,
    Table,
    Text,
    placed,
    replaced,
)
from ssgan.judge.prepared import Findings
from ssgan.records import Evaluation

_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_[]<>|#"})


def card(document: Document, findings: Findings) -> str:
    """The whole card."""
    contract, evaluation = findings.prepared.contract, findings.evaluation
    head = yaml.safe_dump(metadata(contract, evaluation), sort_keys=False, allow_unicode=True)
    use = (
        f"Answers `{contract.label.column}` for rows of `{contract.name}`, each with P(fake): how unlike the training "
        "rows it is. It is a help for people who know the data, and no substitute for them."
    )
    opening = f"# {_text(contract.name)}\n\n**{_text(document.sentence)}**\n\n{placed('verdict', '')}{use}\n"
    return f"---\n{head}---\n\n{opening}" + "".join(f"\n{_section(each)}" for each in document.sections)


def metadata(contract: Contract, evaluation: Evaluation) -> dict[str, Any]:
    """What the Hub sorts and shows models by. The licence is the owner's to say."""
    kind = "image-classification" if contract.image else f"tabular-{contract.task}"
    if contract.image and not contract.classes:
        kind = "image-feature-extraction"
    results = [
        {
            "type": name,
            "value": round(score.value, 6),
            "name": f"{words.metric_title(name)} ({score.low:.4g} to {score.high:.4g})",
        }
        for name, score in evaluation.score(words.OURS).metrics.items()
    ]
    dataset = {"name": contract.name, "type": contract.name, "split": evaluation.method}
    return {
        "library_name": "ssgan",
        "pipeline_tag": kind,
        "tags": [kind, "semi-supervised", "gan", "onnx"],
        "metrics": list(evaluation.score(words.OURS).metrics),
        "model-index": [
            {
                "name": f"ssgan-{contract.name}",
                "results": [{"task": {"type": kind}, "dataset": dataset, "metrics": results}],
            }
        ],
    }


def fill(text: str, name: str, blocks: Sequence[Block]) -> str:
    """A card with other blocks in one of its places."""
    return replaced(text, name, _blocks(blocks))


def _section(section: Section) -> str:
    return f"## {_text(section.title)}\n\n{_blocks(section.blocks)}".rstrip() + "\n"


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(_block(each) for each in blocks)


def _block(block: Block) -> str:
    match block:
        case Text():
            strong = f"**{_text(block.strong)}** " if block.strong else ""
            return f"{strong}{_text(block.text)}\n\n"
        case Items():
            return "".join(f"- {_text(each)}\n" for each in block.items) + "\n"
        case Table():
            return _table(block)
        case Figure():
            place = f"figures/{block.name}"
            return f"![{_text(block.alt)}]({place}.svg)\n\n{_text(block.note)} [Data]({place}.csv)\n\n"
        case Fold():
            return f"### {_text(block.summary)}\n\n{_blocks(block.blocks)}"
        case Place():
            return placed(block.name, _blocks(block.blocks))


def _table(table: Table) -> str:
    lines = [[_text(cell) for cell in table.head], ["---"] * len(table.head)]
    lines += [[_cell(cell) for cell in row] for row in table.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return _text(cell)
    return _text(cell.text) + (f" ({_text(cell.small)})" if cell.small else "")


def _text(text: str) -> str:
    """Words of the data cannot become marks of the card."""
    return " ".join(text.split()).translate(_SPECIAL)
