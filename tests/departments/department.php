<?php
// A department on PHP's own SoapServer: what it does is said by the applicant's name, so that one server plays every part.
// DEPARTMENT_WSDL, DEPARTMENT_SOAP (1.1 or 1.2), DEPARTMENT_STRING (the interface has one string argument).
ini_set('display_errors', '0');
ini_set('default_charset', 'UTF-8');

class Department
{
    // Headers that must be understood have a method of their name.
    public function Security($header) {}
    public function Action($header) {}
    public function MessageID($header) {}

    public function Now(...$arguments)
    {
        $request = $arguments[0];
        if (getenv('DEPARTMENT_STRING')) {
            return ['outXml' => $this->inString($request->inXml)];
        }
        $said = $this->answer($request->LSH, $request->XM, $request);
        return $said;
    }

    private function answer(string $id, string $name, $request): array
    {
        $granted = ['LSH' => $id, 'JGDM' => '1', 'decision_no' => $name, 'amount' => $request->SR ?? '12.50'];
        switch (strtok($name, ' ')) {
            case 'fault':
                throw new SoapFault(strtok(' '), '样例: ' . $id);
            case 'busy':
                throw new SoapFault('Server', 'busy', null, (object) ['LSH' => $id, 'JGDM' => '-1']);
            case 'busy-for-another':
                throw new SoapFault('Server', 'busy', null, (object) ['LSH' => '7a3f0c52-9d1e-4b6a-8c24-5e0f1d2b3a49', 'JGDM' => '-1']);
            case 'exception':
                throw new RuntimeException('a mistake of the department');
            case 'crash':
                return no_such_function($id);
            case 'killed':
                posix_kill(posix_getpid(), SIGKILL);
            case 'page':
                header('Content-Type: text/html');
                echo '<html><body>maintenance</body></html>';
                exit;
            case 'slow':
                sleep(3);
                return $granted;
            case 'other':
                return ['LSH' => '7a3f0c52-9d1e-4b6a-8c24-5e0f1d2b3a49'] + $granted;
            case 'nothing':
                return ['LSH' => $id, 'JGDM' => ''];
            case 'unknown-code':
                return ['LSH' => $id, 'JGDM' => '77'];
            case 'long':
                return ['decision_no' => str_repeat('样', 1000000)] + $granted;
            default:
                return $granted;
        }
    }

    private function inString(string $document): string
    {
        preg_match('#<LSH>(.*?)</LSH>#', $document, $id);
        preg_match('#<XM>(.*?)</XM>#', $document, $name);
        return '<?xml version="1.0" encoding="GBK"?><ROOT><LSH>' . $id[1] . '</LSH><JGDM>1</JGDM><decision_no>' . $name[1]
            . '</decision_no></ROOT>';
    }
}

$server = new SoapServer(getenv('DEPARTMENT_WSDL'), [
    'soap_version' => getenv('DEPARTMENT_SOAP') === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
]);
$server->setObject(new Department());
$server->handle();
