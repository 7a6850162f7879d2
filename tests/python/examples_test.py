# SPDX-License-Identifier: Apache-2.0
"""Programs that were written for Chiltepin run with another import line alone: the examples of its page about data
transfers, each within this process and against a `wherry serve`. Parsl, Chiltepin's own decorator and pandas are stand-ins
(stand_ins.py); the data is real."""

import json
import sys

import pytest

import stand_ins
import wherry


@pytest.fixture(params=["embedded", "served"])
def create_endpoint(request, own_state):
    """Where endpoints, and so all that the examples do, are."""
    if request.param == "served":
        yield request.getfixturevalue("at_service")
    else:
        with wherry.Client() as client:
            yield lambda name, root: client.create_endpoint(name, root).id


@pytest.fixture
def example(monkeypatch, laptop, scratch):
    """Runs an example with `chiltepin.data` read as `wherry.data`; answers its variables."""
    for name, module in stand_ins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)

    def run(text, **replace):
        text = text.replace("chiltepin.data", "wherry.data")
        for old, new in replace.items():
            text = text.replace(f"${old}", str(new))
        variables = {"__name__": "example"}
        exec(compile(text, "example", "exec"), variables)
        return variables

    return run


def test_a_file(example, laptop, scratch, capsys):
    laptop.write("/Users/me/data/input.dat", b"input")
    example('''
from chiltepin.data import transfer_task

# Transfer a single file
transfer_future = transfer_task(
    src_ep="my-laptop",
    dst_ep="hpc-scratch",
    src_path="/Users/me/data/input.dat",
    dst_path="/scratch/project/input.dat",
    executor="local"
)

# Wait for transfer to complete
success = transfer_future.result()
if success:
    print("Transfer completed successfully")
''')
    assert capsys.readouterr().out == "Transfer completed successfully\n"
    assert scratch.read("/scratch/project/input.dat") == b"input"


def test_a_directory(example, laptop, scratch):
    laptop.write("/Users/me/project/data/a")
    laptop.write("/Users/me/project/data/sub/b")
    ran = example('''
from chiltepin.data import transfer_task

# Transfer a directory and all its contents
transfer_future = transfer_task(
    src_ep="my-laptop",
    dst_ep="hpc-scratch",
    src_path="/Users/me/project/data/",
    dst_path="/scratch/project/data/",
    recursive=True,
    executor="local"
)
''')
    assert ran["transfer_future"].result(60) is True
    assert scratch.tree() == ["scratch/project/data/a", "scratch/project/data/sub/b"]


def test_names_and_uuids(example, laptop, scratch):
    laptop.write("a", b"1")
    ran = example('''
from chiltepin.data import transfer_task

# Using display names
named = transfer_task(
    src_ep="my-laptop",
    dst_ep="hpc-scratch",
    src_path="/a",
    dst_path="/b"
)

# Using UUIDs
numbered = transfer_task(
    src_ep="$laptop",
    dst_ep="$scratch",
    src_path="/a",
    dst_path="/c"
)
''', laptop=laptop.id, scratch=scratch.id)
    assert ran["named"].result(60) is True and ran["numbered"].result(60) is True
    assert scratch.tree() == ["b", "c"]


def test_deletions(example, scratch, capsys):
    scratch.write("/scratch/project/temp.dat")
    scratch.write("/scratch/project/temp_data/a")
    scratch.write("/scratch/project/kept")
    ran = example('''
from chiltepin.data import delete_task

# Delete a single file
delete_future = delete_task(
    src_ep="hpc-scratch",
    src_path="/scratch/project/temp.dat",
    executor="local"
)

# Wait for deletion to complete
success = delete_future.result()
if success:
    print("File deleted successfully")

# Delete a directory and all its contents
delete_future = delete_task(
    src_ep="hpc-scratch",
    src_path="/scratch/project/temp_data/",
    recursive=True,
    executor="local"
)
''')
    assert capsys.readouterr().out == "File deleted successfully\n"
    assert ran["delete_future"].result(60) is True
    assert scratch.tree() == ["scratch/project/kept"]


def test_stage_process_clean_up(example, laptop, scratch, capsys):
    laptop.write("/Users/me/data/dataset.csv", b"x,y\n1,10\n3,20\n")
    example('''
import parsl
import chiltepin.configure
from chiltepin.tasks import python_task
from chiltepin.data import transfer_task, delete_task

@python_task
def analyze_data(transfer_complete, input_path):
    # Process the data file (transfer_complete ensures transfer finished)
    import pandas as pd
    df = pd.read_csv(input_path)
    result = df.mean().to_dict()
    return result

# Load configuration and start Parsl
config_dict = chiltepin.configure.parse_file("config.yaml")
parsl_config = chiltepin.configure.load(config_dict)

with parsl.load(parsl_config):
    # Stage data to compute resource
    stage_in = transfer_task(
        src_ep="my-laptop",
        dst_ep="hpc-scratch",
        src_path="/Users/me/data/dataset.csv",
        dst_path="/scratch/project/dataset.csv",
        executor="local"
    )

    # Process the staged data (waits for transfer by passing future)
    analysis = analyze_data(
        stage_in,  # Pass the transfer future as an argument
        "$root/scratch/project/dataset.csv",
        executor="compute"
    )

    # Get results first
    results = analysis.result()

    # Clean up staged data after processing completes
    cleanup = delete_task(
        src_ep="hpc-scratch",
        src_path="/scratch/project/dataset.csv",
        executor="local"
    )
    cleanup.result()  # Ensure cleanup completes

    print(f"Analysis results: {results}")
''', root=scratch.root)
    assert capsys.readouterr().out == "Analysis results: {'x': 2.0, 'y': 15.0}\n"
    assert scratch.tree() == [] and laptop.has("/Users/me/data/dataset.csv")


def test_many_files_in_parallel(example, laptop, scratch):
    for name in ("sim1.dat", "sim2.dat", "sim3.dat"):
        laptop.write(f"/Users/me/data/{name}", name.encode())
    example('''
from chiltepin.data import transfer_task

# Transfer multiple input files in parallel
files = ["sim1.dat", "sim2.dat", "sim3.dat"]
transfers = []

for filename in files:
    future = transfer_task(
        src_ep="my-laptop",
        dst_ep="hpc-scratch",
        src_path=f"/Users/me/data/{filename}",
        dst_path=f"/scratch/project/{filename}",
        executor="local"
    )
    transfers.append(future)

# Wait for all transfers to complete
for t in transfers:
    assert t.result(), "Transfer failed"
''')
    assert scratch.read("/scratch/project/sim2.dat") == b"sim2.dat"


def test_that_pattern_notices_a_failure(example, laptop, scratch):
    with pytest.raises(AssertionError, match="Transfer failed"):
        example('''
from chiltepin.data import transfer_task
t = transfer_task("my-laptop", "hpc-scratch", "/missing", "/scratch/missing", executor="local")
assert t.result(), "Transfer failed"
''')


def test_after_several_tasks(example, laptop, scratch):
    (scratch.root / "scratch").mkdir()
    example('''
from chiltepin.data import transfer_task, delete_task
from chiltepin.tasks import python_task

@python_task
def generate_config():
    # Generate config file
    with open("$root/scratch/config.json", "w") as f:
        f.write('{"param": 1}')
    return True

@python_task
def generate_input():
    # Generate input file
    with open("$root/scratch/input.dat", "w") as f:
        f.write("data")
    return True

# Generate files in parallel
config_ready = generate_config(executor="compute")
input_ready = generate_input(executor="compute")

# Wait for both files before transferring
config_ready.result()
input_ready.result()

transfer = transfer_task(
    src_ep="hpc-scratch",
    dst_ep="my-laptop",
    src_path="/scratch/",
    dst_path="/results/",
    recursive=True,
    executor="local"
)
transfer.result()  # Wait for transfer
''', root=scratch.root)
    assert json.loads(laptop.read("/results/config.json")) == {"param": 1}
    assert laptop.read("/results/input.dat") == b"data"


def test_after_several_tasks_without_waiting_in_between(example, laptop, scratch):
    """What Chiltepin's newer pages do: the futures are passed."""
    (scratch.root / "scratch").mkdir()
    ran = example('''
from chiltepin.data import transfer_task
from chiltepin.tasks import python_task

@python_task
def generate(name):
    with open("$root/scratch/" + name, "w") as f:
        f.write(name)

made = [generate(name, executor="compute") for name in ("a", "b")]
transfer = transfer_task("hpc-scratch", "my-laptop", "/scratch/", "/results/", recursive=True, inputs=made)
''', root=scratch.root)
    assert ran["transfer"].result(60) is True
    assert laptop.tree() == ["results/a", "results/b"]


def test_a_pipeline(example, laptop, scratch):
    laptop.write("/data/raw.csv", b"x,y\n1,10\n3,\n5,20\n")
    ran = example('''
from chiltepin.data import transfer_task, delete_task
from chiltepin.tasks import python_task

@python_task
def preprocess(input_path, output_path):
    # Preprocessing step
    import pandas as pd
    df = pd.read_csv(input_path)
    df_clean = df.dropna()
    df_clean.to_csv(output_path, index=False)
    return output_path

@python_task
def analyze(input_path):
    # Analysis step
    import pandas as pd
    df = pd.read_csv(input_path)
    return df.describe().to_dict()

# Stage raw data
stage_raw = transfer_task(
    src_ep="my-laptop",
    dst_ep="hpc-scratch",
    src_path="/data/raw.csv",
    dst_path="/scratch/raw.csv",
    executor="local"
)

# Wait for transfer, then preprocess
stage_raw.result()
preprocess_future = preprocess(
    "$root/scratch/raw.csv",
    "$root/scratch/clean.csv",
    executor="compute"
)

# Analyze depends on preprocess completing (returns output path)
analysis_future = analyze(
    preprocess_future,  # Parsl waits for this future and passes result
    executor="compute"
)

# Get analysis results
results = analysis_future.result()

# Stage results back (wait for analysis first)
stage_out = transfer_task(
    src_ep="hpc-scratch",
    dst_ep="my-laptop",
    src_path="/scratch/clean.csv",
    dst_path="/data/cleaned_output.csv",
    executor="local"
)
stage_out.result()

# Cleanup remote files
cleanup = delete_task(
    src_ep="hpc-scratch",
    src_path="/scratch/",
    recursive=True,
    executor="local"
)
cleanup.result()  # Wait for cleanup
cleanup.result()
''', root=scratch.root)
    assert ran["results"] == {"x": 3.0, "y": 15.0}
    assert laptop.read("/data/cleaned_output.csv").split() == [b"x,y", b"1,10", b"5,20"]
    assert scratch.tree() == []


def test_success_is_checked(example, laptop, scratch):
    laptop.write("a")
    example('''
from chiltepin.data import transfer_task
transfer_future = transfer_task("my-laptop", "hpc-scratch", "/a", "/b", executor="local")
success = transfer_future.result()
assert success, "Transfer failed"
''')
