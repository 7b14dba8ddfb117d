"""What cloud-init itself makes of user data: its own processor and handlers, in a directory of this test.

Standard input: base64, as RunInstances gets it. Standard output: JSON with the merged cloud-config and all other parts.
"""
import base64, contextlib, io, json, os, sys, tempfile

from cloudinit import handlers, helpers, user_data, util
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.settings import PER_INSTANCE

blob = base64.b64decode(sys.stdin.read().strip(), validate=True)
with tempfile.TemporaryDirectory() as top:
    paths = helpers.Paths({"cloud_dir": top, "run_dir": top})
    # EC2's data source keeps the instance's data there.
    os.makedirs(os.path.join(top, "instance"), exist_ok=True)
    written = os.path.join(top, "cloud.cfg")
    paths.get_ipath = lambda name=None: written
    message = user_data.UserDataProcessor(paths).process(blob)
    config = CloudConfigPartHandler(paths)
    parts, failed = [], []
    config.handle_part(None, handlers.CONTENT_START, None, None, PER_INSTANCE, None)

    def part(data, filename, payload, headers):
        kind = headers["Content-Type"]
        if isinstance(payload, bytes):
            payload = payload.decode()
        if kind in handlers.NOT_MULTIPART_TYPE or kind in ("text/plain", "text/x-not-multipart"):
            kind = handlers.type_from_starts_with(payload) or kind
        if kind in ("text/cloud-config", "text/cloud-config-jsonp"):
            config.handle_part(None, kind, filename, payload, PER_INSTANCE, headers)
        else:
            parts.append([kind, payload])

    with contextlib.redirect_stderr(io.StringIO()) as said:
        handlers.walk(message, part, data={})
        config.handle_part(None, handlers.CONTENT_END, None, None, PER_INSTANCE, None)
    text = util.load_file(written) if os.path.exists(written) else ""
    if isinstance(text, bytes):
        text = text.decode()
    json.dump({"config": util.load_yaml(text, default={}), "yaml": text, "parts": parts}, sys.stdout)
