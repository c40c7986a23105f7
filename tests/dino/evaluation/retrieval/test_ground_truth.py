"""Ground-truth files are read whatever wrote them, and nothing that a hostile one asks for is run."""

import os
import pickle

import numpy as np
import pytest

from dino_pipeline.dino.evaluation.retrieval.ground_truth import read_ground_truth

NAMES = ["all_souls_000013", "ashmolean_000058", "balliol_000051"]
CONTENT = {
    "imlist": NAMES,
    "qimlist": ["all_souls_000026", "christ_church_000179"],
    "gnd": [
        {"bbx": [136.5, 34.1, 648.5, 955.7], "easy": [0], "hard": [], "junk": np.array([2, 1])},
        {
            "bbx": np.array([1, 2, 30, 40], dtype=np.float32),
            "easy": np.array([], dtype=np.int64),
            "hard": [np.int64(2), np.int64(0)],
            "junk": [],
        },
    ],
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "gnd_roxford5k.pkl"


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_is_read(file, protocol):
    file.write_bytes(pickle.dumps(CONTENT, protocol=protocol))
    truth = read_ground_truth(file)
    assert truth.images == NAMES
    assert truth.queries == CONTENT["qimlist"]
    np.testing.assert_allclose(truth.boxes, [[136.5, 34.1, 648.5, 955.7], [1, 2, 30, 40]])
    assert [positions.tolist() for positions in truth.easy] == [[0], []]
    assert [positions.tolist() for positions in truth.hard] == [[], [2, 0]]
    assert [positions.tolist() for positions in truth.junk] == [[2, 1], []]


def test_a_file_that_numpy_1_wrote_is_read(file):
    file.write_bytes(pickle.dumps(CONTENT, protocol=2).replace(b"numpy._core", b"numpy.core"))
    assert read_ground_truth(file).hard[1].tolist() == [2, 0]


class Command:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, np.load, np.save, print])
def test_a_file_that_asks_for_more_than_data_is_refused_and_nothing_is_run(
    file, tmp_path, capsys, protocol, function
):
    target = tmp_path / "made"
    argument = f"touch {target}" if function is os.system else f"open({str(target)!r}, 'w')"
    hidden = {**CONTENT, "gnd": [*CONTENT["gnd"], {"bbx": Command(function, argument)}]}
    file.write_bytes(pickle.dumps(hidden, protocol=protocol))
    with pytest.raises(ValueError, match="which is not data"):
        read_ground_truth(file)
    assert not target.exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",  # an attribute of what is admitted
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",  # a codec that is not bytes
        b"cnumpy\nndarray\n}b.",  # a state for the class itself
        b"Pnumber\n.",  # an object kept elsewhere
        b"\x82\x01.",  # an extension of copyreg
        b"",
        b"no pickle at all",
        pickle.dumps(CONTENT)[:-40],
    ],
)
def test_a_hostile_or_damaged_stream_is_one_clear_error(file, stream):
    file.write_bytes(stream)
    with pytest.raises(ValueError, match="is not a pickle of plain data"):
        read_ground_truth(file)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"imlist": ["../outside"]}, "not a file name"),
        ({"imlist": [3]}, "not a file name"),
        ({"qimlist": ["one"]}, "1 queries but 2 entries"),
        ({"imlist": NAMES[:2]}, "outside the 2 images"),
        ({"gnd": [{"bbx": [1, 2, 3, 4], "easy": [0.5], "hard": [], "junk": []}] * 2}, "whole numbers"),
        ({"gnd": [{"bbx": [1, 2, 3], "easy": [], "hard": [], "junk": []}] * 2}, "reshape"),
        ({"gnd": [{"bbx": [1, 2, 3, 4], "easy": []}] * 2}, "hard"),
    ],
)
def test_what_is_no_ground_truth_is_refused_by_name(file, change, problem):
    file.write_bytes(pickle.dumps({**CONTENT, **change}))
    with pytest.raises(ValueError, match=rf"gnd_roxford5k\.pkl is not the ground truth.*{problem}"):
        read_ground_truth(file)


def test_a_missing_file_says_what_the_folder_should_hold(file):
    with pytest.raises(ValueError, match="ground truth and jpg/"):
        read_ground_truth(file)
