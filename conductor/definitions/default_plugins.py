"""The plugins of a new installation (contract structures/defaults.yaml). IDs and values are relied upon."""

from conductor.definitions.json_values import Json

_SCRIPT = "#!/bin/sh\n\n# Enter your shell script code here"


def _text(id: str, title: str, value: object = "", **more: object) -> Json:
    return {"id": id, "title": title, "type": "text", "value": value, **more}


def _number(id: str, title: str, value: object, **more: object) -> Json:
    return {"id": id, "title": title, "type": "text", "variant": "number", "value": value, **more}


def _checkbox(id: str, title: str, value: bool = False, **more: object) -> Json:
    return {"id": id, "title": title, "type": "checkbox", "value": value, **more}


def _select(id: str, title: str, value: str, **more: object) -> Json:
    return {"id": id, "title": title, "type": "select", "value": value, **more}


def _test() -> list[Json]:
    return [
        _number("duration", "Test Duration (seconds)", 60, required=True),
        _select("action", "Simulate Result", "Success, Error, Warning, Critical, Crash"),
        _text("custom", "Custom Value"),
        _checkbox("burn", "Burn Memory/CPU"),
        _checkbox("network", "Generate Network Traffic"),
        _checkbox("upload", "Upload Sample File"),
    ]


def _shell() -> list[Json]:
    return [
        {
            "id": "script",
            "title": "Script Source",
            "type": "code",
            "value": _SCRIPT,
            "locked": True,
            "required": True,
        },
        _checkbox("annotate", "Add Date/Time Stamps to Log"),
    ]


def _http() -> list[Json]:
    return [
        _select("method", "Method", "GET, HEAD, POST, PUT, DELETE"),
        _text("url", "URL", "https://", required=True, locked=True),
        {
            "id": "headers",
            "title": "Request Headers",
            "type": "textarea",
            "value": "User-Agent: xyOps/HTTP-Plugin",
        },
        {"id": "data", "title": "POST Data", "type": "textarea", "value": ""},
        _number("timeout", "Timeout (Seconds)", "30"),
        _number("idle_timeout", "Idle Timeout (Seconds)", "30"),
        _number("connect_timeout", "Connect Timeout (Seconds)", "10"),
        _text("success_match", "Success Match"),
        _text("error_match", "Error Match"),
        _checkbox("follow", "Follow Redirects"),
        _checkbox("download", "Download File"),
        _checkbox("ssl_cert_bypass", "SSL Cert Bypass"),
    ]


def _docker() -> list[Json]:
    locked = {"variant": "text", "locked": True}
    free = {"variant": "text", "locked": False}
    return [
        _text(
            "image_name",
            "Image Name",
            "ghcr.io/pixlcore/xyops-shell-image",
            caption="The image to run; it is pulled if the host does not have it.",
            required=True,
            **locked,
        ),
        _text("image_ver", "Image Version", "latest", caption="Tag of the image.", required=True, **locked),
        _text(
            "cont_name",
            "Container Name",
            "xyops-job-{{id}}",
            caption="Name of the container; macros of the job are filled in.",
            required=True,
            **free,
        ),
        _number(
            "cont_cpus",
            "Max CPUs",
            1,
            caption="Most CPU cores it may use; 0 for all.",
            locked=False,
            required=False,
        ),
        _text(
            "cont_mem",
            "Max Memory",
            "1 GB",
            caption="Most memory it may use; empty for all.",
            required=False,
            **free,
        ),
        _text("cont_net", "Join Network", caption="Network that it joins.", required=False, **free),
        _text(
            "cont_extras",
            "Command Extras",
            caption="More arguments for docker run.",
            required=False,
            **locked,
        ),
        _text(
            "cont_cmd",
            "Launch Command",
            "xyrun",
            caption="First command in the container; the remote runner is the usual one.",
            required=False,
            **locked,
        ),
        _select(
            "run_mode",
            "Run Mode",
            "Send Job JSON, Send Script Source",
            caption="What standard input gets: the whole job, or the script alone.",
            locked=False,
        ),
        {
            "id": "script",
            "title": "Script Source",
            "type": "code",
            "caption": "What to run in the container.",
            "locked": True,
            "value": _SCRIPT,
            "required": True,
        },
        _checkbox(
            "cont_init",
            "Init process manager",
            True,
            caption="Start a small init as the first process.",
            locked=False,
        ),
        _checkbox(
            "cont_rm", "Ephemeral Container", True, caption="Remove the container when it ends.", locked=False
        ),
        _checkbox("verbose", "Verbose Logging", caption="Log what the plugin does in detail.", locked=False),
    ]


def _hook() -> list[Json]:
    return [
        {
            "id": "web_hook",
            "title": "Web Hook",
            "type": "system",
            "caption": "The hook to fire.",
            "locked": False,
            "required": True,
            "list_id": "web_hooks",
            "multiple": False,
        },
        {
            "id": "text",
            "title": "Custom Text",
            "type": "textarea",
            "caption": "Added to the text that the hook sends.",
            "locked": False,
            "value": "",
            "required": False,
            "regex": "",
        },
    ]


def plugins() -> list[Json]:
    return [
        {
            "id": "testplug",
            "title": "Test Plugin",
            "enabled": 1,
            "stock": True,
            "command": "[test-plugin]",
            "type": "event",
            "kill": "parent",
            "icon": "test-tube",
            "notes": "Makes up output, and a file if wanted, and ends with the result of your choice. "
            "For trying out events and workflows.",
            "params": _test(),
        },
        {
            "id": "shellplug",
            "title": "Shell Script",
            "enabled": 1,
            "stock": True,
            "command": "[shell-plugin]",
            "type": "event",
            "kill": "all",
            "icon": "console",
            "notes": "Runs a script with any interpreter that its first line names.",
            "params": _shell(),
        },
        {
            "id": "httpplug",
            "title": "HTTP Request",
            "enabled": 1,
            "stock": True,
            "command": "[http-plugin]",
            "type": "event",
            "kill": "parent",
            "icon": "wan",
            "notes": "Sends one HTTP request and logs the answer, or keeps it as a file.",
            "params": _http(),
        },
        {
            "id": "dockerplug",
            "title": "Docker Run",
            "enabled": True,
            "stock": True,
            "type": "event",
            "command": "[docker-plugin]",
            "kill": "all",
            "runner": True,
            "icon": "docker",
            "notes": "Runs a script inside a container.",
            "params": _docker(),
        },
        {
            "id": "hookplug",
            "title": "Fire Web Hook",
            "enabled": True,
            "stock": True,
            "type": "event",
            "command": "[hook-plugin]",
            "script": "",
            "kill": "parent",
            "runner": False,
            "icon": "webhook",
            "uid": "",
            "gid": "",
            "notes": "Fires a saved web hook as a job.",
            "params": _hook(),
        },
        {
            "id": "open_files",
            "title": "Count Open Files",
            "enabled": True,
            "stock": True,
            "type": "monitor",
            "command": "/bin/sh",
            "script": "cat /proc/sys/fs/file-nr",
            "groups": [],
            "format": "text",
            "notes": "How many files are open on a host. Linux only.",
        },
    ]
