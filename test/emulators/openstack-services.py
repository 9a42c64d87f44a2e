# Serves OpenStack's own Keystone or Glance on a free port of the loopback address and prints the port.
# Usage: openstack-services.py keystone|glance FOLDER    (FOLDER holds keystone.conf, or glance-api.conf and its paste
# file)
import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

service, folder = sys.argv[1:3]
os.environ["OS_KEYSTONE_CONFIG_FILES"] = os.path.join(folder, "keystone.conf")
os.environ["OS_GLANCE_CONFIG_DIR"] = folder
# Both services parse the command line of the program that loads them.
sys.argv = [service]
if service == "keystone":
    from keystone.server.wsgi import initialize_public_application

    application = initialize_public_application()
else:
    from glance.common import wsgi_app

    application = wsgi_app.init_app()


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


server = make_server("127.0.0.1", 0, application, server_class=Server)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
