"""How the report looks: light and dark, on a phone and in print."""

from __future__ import annotations

LIGHT = "--paper: #fbfbf9; --card: #ffffff; --ink: #1d232a; --soft: #5a6470; --faint: #d5d9de;"
DARK = "--paper: #12161b; --card: #1a2027; --ink: #e7ebef; --soft: #9aa6b2; --faint: #3a434d;"
FIGURE_CSS = (
    f"svg {{ {LIGHT} font-family: system-ui, sans-serif; }} @media (prefers-color-scheme: dark) {{ svg {{ {DARK} }} }}"
)

CSS = (
    f"\n:root {{ color-scheme: light dark; {LIGHT} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}"
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
.kicker { margin: 0 0 .5rem; color: var(--soft); font-size: .85rem; letter-spacing: .06em; text-transform: uppercase; }
h1 { margin: 0 0 1.5rem; font-size: clamp(1.25rem, 3vw + .5rem, 1.7rem); line-height: 1.35; font-weight: 600; }
h1 span { display: block; margin-top: .5rem; font-size: 1.05rem; line-height: 1.5; font-weight: 400; }
h2 { margin: 0 0 .75rem; font-size: 1.1rem; }
section { margin: 1.5rem 0; padding: 1.25rem; background: var(--card); border: 1px solid var(--faint);
  border-radius: .6rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0;
  padding: 0; list-style: none; }
.tiles li { display: flex; flex-direction: column; padding: .75rem 1rem; background: var(--card);
  border: 1px solid var(--faint); border-radius: .6rem; }
.tiles span { color: var(--soft); font-size: .8rem; }
.tiles b { font-size: 1.6rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
figure { margin: 0; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; margin: 0 auto; }
figcaption, small { color: var(--soft); font-size: .82rem; }
figcaption { margin: .5rem 0 1rem; }
.wide { overflow-x: auto; margin: 0 0 .75rem; }
table { width: 100%; border-collapse: separate; border-spacing: 0; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--faint); text-align: left; vertical-align: top; }
td, th { white-space: nowrap; }
.prose td { white-space: normal; }
.prose tbody th { min-width: 4rem; }
.prose td:nth-child(2) { min-width: 4.5rem; }
.prose td:nth-child(5) { min-width: 12rem; }
thead th { color: var(--soft); font-weight: 500; }
tbody th { position: sticky; left: 0; min-width: 8rem; max-width: min(45vw, 20rem); background: var(--card);
  font-weight: 500; white-space: normal; overflow-wrap: break-word; }
td small, th small { display: block; font-size: .75rem; }
th i { display: inline-block; width: .7em; height: .7em; margin-right: .5em; border-radius: 50%; }
summary { cursor: pointer; margin: .5rem 0; }
p, ul { margin: .5rem 0; }
header .tiles { margin: 0; }
@media (max-width: 34rem) {
  section { padding: 1rem .75rem; }
  table { font-size: .8rem; }
  th, td { padding-right: .5rem; }
}
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --faint: #ccc; }
  main { max-width: none; padding: 0; }
  section { padding: .5rem 0; border: 0; }
  h2 { break-after: avoid; }
  svg { width: auto; max-height: 16cm; }
  .wide { overflow: visible; }
  table { font-size: .75rem; }
  thead th { white-space: normal; }
  th, td { padding-right: .4rem; }
  td small, th small { font-size: .62rem; }
  figure, tr { break-inside: avoid; }
  th i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
)
