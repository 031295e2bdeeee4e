"""A program that speaks the part of conda's and micromamba's command line that `ucenv site` uses, by py-rattler.

It solves, downloads and links for real, from real channels, and lays its package cache out as conda does. As conda it
refuses a list of URLs; as micromamba it takes one. What it has no use for it refuses. `stand_in` in its condarc makes
it fail in the middle: `die`, `wait` (until killed) or `babble` (bytes that are no text, without end of line).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

VERSIONS = {"conda": "conda 26.7.1", "micromamba": "2.3.2"}
CHECKOUT = Path(__file__).resolve().parents[2]


def install_stand_in(root: Path, name: str = "conda") -> Path:
    """Put the program into a conda's root."""
    path = root / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    # Isolated: run with nothing of what the caller's environment says of Python.
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -I {Path(__file__).resolve()} {name} "$@"\n')
    path.chmod(0o755)
    if name == "conda":
        install_stand_in(root, "python")
    return path


def main(name: str, words: list[str]) -> int:
    if words == ["--version"]:
        print(VERSIONS[name])
        return 0
    if name == "python":
        return _as_condas_python(words)
    parser = argparse.ArgumentParser(allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", allow_abbrev=False)
    create.add_argument("--prefix", type=Path, required=True)
    create.add_argument("--file", type=Path)
    create.add_argument("specs", nargs="*")
    for option in ("--yes", "--dry-run", "--download-only"):
        create.add_argument(option, action="store_true")
    search = commands.add_parser("search" if name == "conda" else "repoquery", allow_abbrev=False)
    if name != "conda":
        search.add_argument("what", choices=["search"])
        search.add_argument("pattern", choices=["*"])
    for command in (create, search):
        command.add_argument("-c", dest="channels", action="append", default=[])
        command.add_argument("--override-channels", action="store_true")
        command.add_argument("--json", action="store_true")
    args = parser.parse_args(words)
    settings = json.loads((Path.home() / ".condarc").read_text())
    channels = args.channels + ([] if args.override_channels else settings.get("channels", []))
    try:
        if args.command == "create":
            return asyncio.run(_create(name, args, channels, settings))
        records = [record for channel in channels for record in _listed(channel)]
    except Exception as exc:
        print(json.dumps({"error": str(exc), "message": str(exc)}) if args.json else f"error: {exc}", flush=True)
        return 1
    if name == "conda":
        names = {record["name"]: [r for r in records if r["name"] == record["name"]] for record in records}
        print(json.dumps(names))
    else:
        print(json.dumps({"result": {"pkgs": records, "status": "OK"}}))
    return 0


def _as_condas_python(words: list[str]) -> int:
    """conda's Python, given a script that downloads records by conda's own modules."""
    isolated, option, script, path = words
    assert (isolated, option) == ("-I", "-c")
    assert "ProgressiveFetchExtract(records).execute()" in script
    settings = json.loads((Path.home() / ".condarc").read_text())
    code = 0
    records = json.loads(Path(path).read_text())
    for number, record in enumerate(records):
        try:
            half = bool(settings.get("stand_in")) and number == len(records) // 2
            asyncio.run(_fetch(Path(os.environ["CONDA_PKGS_DIRS"]), record, half=half))
        except OSError as exc:  # the others are fetched all the same
            print(f"error: {record['fn']}: {exc}", flush=True)
            code = 1
        if number == len(records) // 2:
            _fail(settings.get("stand_in"), Path(path).parent / "prefix")
    return code


async def _create(name: str, args: Any, channels: list[str], settings: dict[str, Any]) -> int:
    import rattler

    if (args.prefix / "conda-meta" / "history").exists():
        raise FileExistsError(f"{args.prefix} is an environment already")
    caches = [Path(directory) for directory in os.environ["CONDA_PKGS_DIRS"].split(",")]
    cache = caches[0]
    if args.file:
        if name == "conda":
            raise ValueError("Duplicate packages found in 'explicit_packages'.")
        urls = [line.partition("#")[0] for line in args.file.read_text().split("\n")[1:] if line]
        wanted = [_of_url(url) for url in urls]
    else:
        solved = await rattler.solve(
            channels,
            args.specs,
            gateway=rattler.Gateway(cache_dir=Path.home() / "repodata"),
            platforms=[rattler.Subdir.current(), "noarch"],
            virtual_packages=[],
            constraints=settings.get("pinned_packages", []),
        )
        wanted = [_as_json(record) for record in solved]
    if args.dry_run:
        missing = [r for r in wanted if not any((c / _stem(r) / "info/index.json").exists() for c in caches)]
        link = wanted if name != "conda" else [{"dist_name": _stem(r), "platform": r["subdir"]} for r in wanted]
        print(json.dumps({"success": True, "actions": {"FETCH": missing, "LINK": link}}))
        return 0
    for number, record in enumerate(wanted):
        print(f"fetching {record['fn']}", flush=True)
        try:
            await _fetch(cache, record, half=bool(settings.get("stand_in")) and number == len(wanted) // 2)
        except OSError as exc:  # as libmamba: the rest is left
            print(f"error: {record['fn']}: {exc}", flush=True)
            return 1
        if number == len(wanted) // 2:
            if not args.download_only:
                await _link(wanted[:number], args.prefix, cache)
            _fail(settings.get("stand_in"), args.prefix)
    if not args.download_only:
        await _link(wanted, args.prefix, cache)
        (args.prefix / "conda-meta/history").write_text(f"==> 2026-01-01 00:00:00 <==\n# cmd: {' '.join(sys.argv)}\n")
    return 0


async def _fetch(cache: Path, record: dict[str, Any], *, half: bool) -> None:
    from rattler.package_streaming import extract

    stem = _stem(record)
    if (cache / stem / "info/index.json").exists():  # as conda judges
        return
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / record["fn"]
    shutil.copyfile(unquote(urlsplit(record["url"]).path), archive)
    extract(archive, cache / stem)
    if half:
        for path in sorted((cache / stem).rglob("*")):
            if path.is_file() and "info" not in path.relative_to(cache / stem).parts:
                path.unlink()
        return
    own = json.loads((cache / stem / "info/index.json").read_text())
    (cache / stem / "info/repodata_record.json").write_text(json.dumps({**own, **record}))


async def _link(records: list[dict[str, Any]], prefix: Path, cache: Path) -> None:
    import rattler

    found = []
    for record in records:
        archive = cache / record["fn"]
        package = await rattler.RepoDataRecord.from_package_archive(archive)
        package.channel = record["channel"]
        found.append(package)
    await rattler.install(found, prefix, cache_dir=Path.home() / "unpacked", show_progress=False)


def _fail(how: str | None, prefix: Path) -> None:
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "wait":
        (prefix.parent / f"{prefix.name}.waits").write_text(str(os.getpid()))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # asyncio would wait for the end of the sleep
        time.sleep(120)
    elif how == "babble":
        sys.stdout.buffer.write(b"\x1b]0;title\x07\xff\xfe\r\0" + b"x" * 100_000 + b"\n\x1b[2Jlast \xc3\xa4 words")
        sys.stdout.flush()
        os._exit(7)


def _stem(record: dict[str, Any]) -> str:
    return str(record["fn"]).removesuffix(".conda").removesuffix(".tar.bz2")


def _listed(channel: str) -> list[dict[str, Any]]:
    """What a channel's indexes say."""
    found = []
    directory = Path(unquote(urlsplit(channel).path))
    for index in [*directory.glob("*/repodata.json")] or [directory / "noarch/repodata.json"]:
        document = json.loads(index.read_text())
        for section in ("packages", "packages.conda"):
            for name, record in document.get(section, {}).items():
                subdir = index.parent.name
                place = {"fn": name, "url": f"{channel}/{subdir}/{name}", "channel": channel, "subdir": subdir}
                found.append({**record, **place})
    return found


def _of_url(url: str) -> dict[str, Any]:
    channel, subdir, name = url.rsplit("/", 2)
    return {"fn": name, "url": url, "channel": channel, "subdir": subdir}


def _as_json(record: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(record.to_json())
    return {**whole, "fn": record.file_name, "url": str(record.url)}


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(code)  # a worker thread of rattler's that drops an object while the interpreter ends crashes it
