// Pulumi's engine starts this as the plugin `pulumi-resource-aws`, `-gcp` or `-openstack`. The test's own process
// serves the plugin (hub.ts). This program asks the test for a port and passes it to the engine; its exit tells the
// test that the engine has ended.
import { connect } from "node:net";

const socket = connect(process.env.CI_IMAGES_TEST_CLOUD ?? "");
const [name] = process.argv.slice(2);
socket.setEncoding("utf8");
socket.on("data", (port) => process.stdout.write(port));
socket.on("close", () => process.exit(0));
socket.on("error", (error) => {
  process.stderr.write(`the test cloud does not answer at ${process.env.CI_IMAGES_TEST_CLOUD}: ${error.message}\n`);
  process.exit(1);
});
socket.write(`${name}\n`);

const end = () => process.exit(0);
process.stdin.on("end", end).on("error", end).resume();
process.stdout.on("error", end);
process.on("SIGINT", end).on("SIGTERM", end);
