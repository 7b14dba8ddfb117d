"""Commands on the controller."""
import shlex
import subprocess


def run_cmd(cmd, live=False, readsize=10):
    done = subprocess.run(shlex.split(cmd), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr
