"""What tests share: processes that are stopped again, ports, waiting for the thing itself."""
