"""Claims are read as printed, each from a described source, and faulty files are refused."""

import re

import pytest
from written_records import CLAIMS, copy_claims, raw_claims

from repro.errors import UserError
from repro.report import render
from repro.report.claims import read_claims, read_sources


def test_every_claim_is_read_as_printed():
    claims, raw = read_claims(), raw_claims()
    assert {key: claim.printed for key, claim in claims.items()} == raw
    assert len(raw) == 216
    for claim in claims.values():
        if re.fullmatch(r"\d+\.\d+", claim.printed):
            assert float(claim.printed) == claim.value


def test_every_source_is_described():
    sources = read_sources()
    assert set(sources) == {path.stem for path in CLAIMS.glob("*.csv")}
    assert all(source.citation and source.address and source.read for source in sources.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("table2,FCN-16s,mean_iu,62.4,62.4", "table2,FCN-16s,mean_iu,62.4,sixty", "not a number"),
        ("table2,FCN-16s,mean_iu,62.4,62.4", "table2,FCN-16s,mean_iu,62.4,nan", "not a number"),
        ("table2,FCN-16s,mean_iu,62.4,62.4", "table2,FCN-16s,mean_iu,,62.4", "missing"),
        ("table2,FCN-16s,mean_iu", "table2,FCN-16s,mean_acc", "twice"),
        ("table,row,column", "table,line,column", "columns"),
        ("table2,FCN-16s,mean_iu", "table2,FCN-16z,mean_iu", "no CSV of claims holds"),
    ],
)
def test_faulty_claims_are_refused(tmp_path, old, new, message):
    folder = copy_claims(tmp_path / "claims", cvpr2015=(old, new))
    with pytest.raises(UserError, match=message):
        render.render("voc2011", [], folder)


def test_a_printed_row_without_any_claim_is_refused(tmp_path):
    change = ("table5,Tighe et al. 2010,geom_acc", "table5,Tighe et al.,geom_acc")  # the one number of its row
    with pytest.raises(UserError, match=r"Tighe et al\. 2010, which no CSV of claims holds"):
        render.render("siftflow", [], copy_claims(tmp_path / "claims", cvpr2015=change))


def test_a_source_without_entry_or_folder_is_refused(tmp_path):
    folder = copy_claims(tmp_path / "claims")
    (folder / "new.csv").write_text("table,row\n")
    with pytest.raises(UserError, match=r"sources\.toml"):
        read_claims(folder)
    (folder / "sources.toml").write_text("[cvpr2015]\ncitation = 'x'\n")
    with pytest.raises(UserError, match="address"):
        read_claims(folder)
    with pytest.raises(UserError, match="cannot read"):
        read_claims(tmp_path / "nowhere")
