<?php
// Plays rows of the table of misbehaviours: ROWS is a folder with <row>/<number>.json (status, headers) and <row>/<number>.body, in which
// a mark stands for the id of the delivery. The first message gets number 0; the last number again and again. Counts in <row>/arrivals.
$parts = explode('/', $_SERVER['REQUEST_URI']);
$row = getenv('ROWS') . '/' . basename($parts[1]);
$message = file_get_contents('php://input');
$number = substr_count((string) @file_get_contents("$row/arrivals"), '.');
file_put_contents("$row/arrivals", '.', FILE_APPEND | LOCK_EX);
while (!file_exists("$row/$number.json")) {
    $number--;
}
preg_match('/LSH>([0-9a-f-]{36})</', $message, $found);
$said = json_decode(file_get_contents("$row/$number.json"), true);
header_remove('X-Powered-By');
header('HTTP/1.1 ' . $said['status']);
foreach ($said['headers'] as $line) {
    header($line);
}
$body = str_replace('11111111-1111-4111-8111-111111111111', $found[1] ?? '', file_get_contents("$row/$number.body"));
header('Content-Length: ' . strlen($body));
echo $body;
