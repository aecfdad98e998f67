"""What `make install` gives: a program outside the tree is built and run with nothing but that."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from declared import declared

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
BACKENDS = ("epoll", "poll", "uring")
ANSWERS = "".join(f"{worker}: 50 answers\n" for worker in range(4))
HEADERS = sorted(path.name for path in (ROOT / "include/runnel").glob("*.h"))
PROGRAMS = sorted(path.name for path in (ROOT / "src/app").iterdir() if path.is_dir())


def run(*command, **options):
    """Runs it to its end, which has to be a good one; returns what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=200, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(goal, prefix, **directories):
    return run("make", "--no-print-directory", goal, f"PREFIX={prefix}",
               *(f"{name}={value}" for name, value in directories.items()), cwd=ROOT)


def files(prefix):
    return sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir())


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed")
    make("install", prefix)
    return prefix


@pytest.fixture(scope="module")
def pkg_config(prefix):
    def ask(*flags):
        environment = dict(os.environ, PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"))
        return run("pkg-config", *flags, "runnel", env=environment).split()
    return ask


@pytest.fixture(scope="module")
def app(prefix, pkg_config, tmp_path_factory):
    """Builds the program outside the tree: app(name, flags...)."""
    directory = tmp_path_factory.mktemp("app")

    def build(name, *flags, source="app.c", compiler="cc"):
        copy = shutil.copy(HERE / source, directory)
        run(compiler, "-Wall", "-Wextra", "-Werror", copy, "-o", name, *flags,
            *pkg_config("--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib", cwd=directory)
        return directory / name
    return build


def version():
    return re.search(r'RN_VERSION "(.*)"', (ROOT / "include/runnel/base.h").read_text()).group(1)


# ---- Files --------------------------------------------------------------------------------------


def test_installed_files(prefix):
    names = files(prefix)
    for name in HEADERS:
        assert f"include/runnel/{name}" in names
    for name in ("lib/librunnel.a", "lib/librunnel.so", "lib/librunnel.so.0",
                 f"lib/librunnel.so.{version()}", "lib/pkgconfig/runnel.pc",
                 "lib/cmake/Runnel/RunnelConfig.cmake", "share/man/man7/runnel.7"):
        assert name in names
    for program in PROGRAMS:
        assert f"bin/runnel-{program}" in names
        assert f"share/man/man1/runnel-{program}.1" in names
        assert run(prefix / f"bin/runnel-{program}", "--version").split()[1] == version()


def test_no_place_holder_is_left(prefix):
    for name in files(prefix):
        if name.startswith(("share/", "lib/pkgconfig/", "lib/cmake/")):
            assert not re.search("@[A-Z]+@", (prefix / name).read_text()), name


def test_uninstall_leaves_nothing_of_ours(tmp_path):
    other = tmp_path / "lib/other"
    other.parent.mkdir(parents=True)
    other.write_text("somebody else's")
    make("install", tmp_path)
    make("uninstall", tmp_path)
    assert files(tmp_path) == ["lib/other"]


def test_staged_install(tmp_path):
    make("install", "/usr", DESTDIR=tmp_path, LIBDIR="/usr/lib/x", PROGRAM_PREFIX="")
    assert "prefix=/usr\n" in (tmp_path / "usr/lib/x/pkgconfig/runnel.pc").read_text()
    assert (tmp_path / "usr/bin/httpd").exists()
    make("uninstall", "/usr", DESTDIR=tmp_path, LIBDIR="/usr/lib/x", PROGRAM_PREFIX="")
    assert files(tmp_path) == []


# ---- Symbols ------------------------------------------------------------------------------------


def symbols(library, *flags):
    lines = run("nm", *flags, library).splitlines()
    return {words[2].partition("@")[0] for words in map(str.split, lines)
            if len(words) == 3 and words[1] in "TDBRVW"}


def test_shared_library_shows_what_the_headers_declare(prefix):
    shown = symbols(prefix / "lib/librunnel.so", "-D", "--defined-only")
    assert {name for name in shown if not name.startswith("rn_")} == set()
    assert shown <= declared()
    assert len(shown) > 100


def test_every_declared_function_is_there(prefix):
    shown = symbols(prefix / "lib/librunnel.so", "-D", "--defined-only")
    assert declared() - shown == set()


def test_soname(prefix):
    assert "librunnel.so.0" in run("readelf", "-d", prefix / "lib/librunnel.so")


# ---- Programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_program_outside_the_tree(app, backend):
    assert run(app("app"), backend) == ANSWERS


def test_program_with_the_static_library(app, prefix):
    program = app("app-static", "-static-libgcc", f"-I{prefix}/include", prefix / "lib/librunnel.a")
    assert run(program) == ANSWERS


def test_simulated_program(app, prefix):
    """The installed library runs one in the simulator; shared and static it is the same."""
    flags = ("-D_GNU_SOURCE", "-Wno-unused-parameter", f"-I{ROOT}/examples")
    shared = app("sim-shared", *flags, source="../../examples/sim_bank.c")
    static = app("sim-static", *flags, prefix / "lib/librunnel.a",
                 source="../../examples/sim_bank.c")
    for seed in (1, 2, 3):
        answer = run(shared, seed)
        assert re.fullmatch(rf"seed {seed} is well: \d+ calls, [0-9a-f]{{16}}\n", answer)
        assert run(static, seed) == answer


@pytest.mark.parametrize("backend", BACKENDS)
def test_program_under_address_sanitizer(app, backend):
    program = app("app-asan", "-g", "-fsanitize=address,undefined")
    assert run(program, backend, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1")) == ANSWERS


@pytest.mark.parametrize("backend", ("epoll", "poll"))
def test_program_under_valgrind(app, backend):
    assert run("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full",
               "--errors-for-leak-kinds=definite,possible", app("app-valgrind", "-g"),
               backend) == ANSWERS


def test_cxx(app):
    program = app("app-cxx", "-std=c++17", source="app.cpp", compiler="c++")
    assert run(program) == f"{version()} 192.0.2.1:80 1\n"


@pytest.mark.parametrize("header", HEADERS)
def test_header_alone(prefix, tmp_path, header):
    """Each includes what it needs, in C and in C++."""
    for source, compiler, standard in (("one.c", "cc", "-std=gnu17"),
                                       ("one.cpp", "c++", "-std=c++17")):
        (tmp_path / source).write_text(f"#include <runnel/{header}>\n")
        run(compiler, standard, "-Wall", "-Wextra", "-Werror", f"-I{prefix}/include",
            "-fsyntax-only", tmp_path / source)


def test_one_header_includes_all():
    text = (ROOT / "include/runnel/runnel.h").read_text()
    assert re.findall("#include <runnel/(.*)>", text) == [
        name for name in HEADERS if name != "runnel.h"]


def test_cmake(prefix, tmp_path):
    run("cmake", "-S", HERE, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path)
    assert run(tmp_path / "app") == ANSWERS
    assert run(tmp_path / "app-static") == ANSWERS


def test_cmake_refuses_another_major_version(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(x C)\nfind_package(Runnel 1.0 REQUIRED)\n")
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "b",
                           f"-DCMAKE_PREFIX_PATH={prefix}"], capture_output=True, text=True,
                          timeout=100, check=False)
    assert done.returncode != 0 and f"version: {version()}" in done.stderr


# ---- Pages and completion -----------------------------------------------------------------------


def options_of(program, prefix):
    lines = re.findall(r"^ +(-.*?)(?:  |$)", run(prefix / f"bin/runnel-{program}", "--help"), re.M)
    assert lines
    return {option for line in lines
            for option in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", line)}


def page(path):
    """The page as plain text, without a complaint."""
    done = subprocess.run(["man", "--warnings=all", "-l", str(path)], capture_output=True,
                          text=True, timeout=60, check=False,
                          env=dict(os.environ, MANWIDTH="100", LC_ALL="C.UTF-8"))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return re.sub(".\b", "", done.stdout).replace("‐", "-").replace("−", "-")


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_names_every_option(prefix, program):
    text = page(prefix / f"share/man/man1/runnel-{program}.1")
    assert {option for option in options_of(program, prefix)
            if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)} == set()


def test_page_of_the_library_names_every_header(prefix):
    text = page(prefix / "share/man/man7/runnel.7")
    assert [name for name in HEADERS if name not in text] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_completion(prefix, program):
    file = prefix / f"share/bash-completion/completions/runnel-{program}"
    script = (f". {file}; _runnel_program {prefix}/bin/runnel-{program} --ba x;"
              " echo ${COMPREPLY[*]}; _runnel_program x e --backend; echo ${COMPREPLY[*]};"
              f" complete -p runnel-{program}")
    lines = run("bash", "-c", script).splitlines()
    assert "--backend" in lines[0].split()
    assert lines[1] == "epoll"
    assert "_runnel_program" in lines[2]
